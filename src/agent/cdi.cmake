# The CDI spec file, for container runtimes.
tranche_add_library(agent_cdi
  HEADERS cdi_spec.h cdi_driver.h cdi_edits.h cdi_elf.h cdi_hooks.h cdi_ldcache.h cdi_libraries.h
          cdi_root.h cdi_test_tree.h cdi_version.h
  SOURCES cdi_check.cc cdi_driver.cc cdi_edits.cc cdi_elf.cc cdi_hooks.cc cdi_ldcache.cc
          cdi_libraries.cc cdi_root.cc cdi_spec.cc cdi_version.cc
  DEPENDS tranche::base
  TESTS cdi_check_test.cc cdi_files_test.cc cdi_spec_test.cc cdi_test_tree.cc)
