// What an image tells of where its libraries lie (src/hook/search.h): any /etc/ld.so.conf, a file
// that it includes, and any LD_LIBRARY_PATH. The search ends, and finds nothing but files of the
// container, of which there are two.
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "base/testing/temp_dir.h"
#include "hook/search.h"

namespace {

// A container's root, with a library in two folders.
class Tree {
 public:
  Tree() {
    for (const char* folder : {"/etc", "/etc/ld.so.conf.d", "/usr", "/usr/lib", "/opt"}) {
      if (mkdir((root() + folder).c_str(), 0755) != 0) std::abort();
    }
    for (const char* file : {"/usr/lib/libcuda.so.1", "/opt/libcuda.so.1"}) Put(file, "library");
  }
  [[nodiscard]] const std::string& root() const { return folder_.path(); }
  void Put(const std::string& name, std::string_view text) const {
    std::ofstream(root() + name) << text;
  }

 private:
  tranche::base::testing::TempDir folder_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Tree tree;
  static tranche::hook::Birth birth;
  static tranche::hook::Places places;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tree.Put("/etc/ld.so.conf", text);
  tree.Put("/etc/ld.so.conf.d/own.conf", text.substr(size / 2));
  birth.folder = "/opt";
  birth.library_path = text;
  places = {};
  const tranche::hook::Root root(tree.root().c_str());
  tranche::hook::Search search(root, birth);
  search.Run(&places);
  if (places.size() > 2) std::abort();
  for (const auto& place : places) {
    const std::string_view name = place.name.view();
    if (name != "/usr/lib/libcuda.so.1" && name != "/opt/libcuda.so.1") std::abort();
  }
  return 0;
}
