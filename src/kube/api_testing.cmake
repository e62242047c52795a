# An API server in memory, for the tests of whoever asks one.
tranche_add_library(kube_api_testing
  HEADERS testing/api_path.h testing/fake_api.h testing/fake_watch.h testing/object_patch.h
  SOURCES testing/api_path.cc testing/fake_api.cc testing/object_patch.cc
  DEPENDS tranche::base
  TESTS testing/fake_api_test.cc)
