// Loads each library that it is told of by dlopen, or (compiled with LINKED) has libcuda loaded by
// the dynamic linker, and prints for each a line: its name, whether this program runs setuid, and
// in which files a function that the shim hooks and one that it does not hook were found, each with
// its inode. After --init it prints for each library what cuInit answers instead.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

static void print(const void* function) {
  Dl_info found;
  struct stat status;
  if (function == NULL || dladdr(function, &found) == 0 || stat(found.dli_fname, &status) != 0) {
    printf(" - 0");
  } else {
    printf(" %s %lu", found.dli_fname, (unsigned long)status.st_ino);
  }
}

static void init(const char* name, void* library) {
  int (*function)(unsigned) = (int (*)(unsigned))dlsym(library, "cuInit");
  printf("%s %d\n", name, function == NULL ? -1 : function(0));
}

static void look(const char* name, void* library) {
  const int nvml = strstr(name, "nvidia-ml") != NULL;
  printf("%s %lu", name, getauxval(AT_SECURE));
  print(dlsym(library, nvml ? "nvmlDeviceGetMemoryInfo" : "cuMemAlloc_v2"));
  print(dlsym(library, nvml ? "nvmlSystemGetDriverVersion" : "cuDriverGetVersion"));
  printf("\n");
}

#ifdef LINKED
int cuDriverGetVersion(int*);
#endif

int main(int count, char** names) {
#ifdef LINKED
  int version = 0;
  cuDriverGetVersion(&version);
  look("linked", RTLD_DEFAULT);
#endif
  const int first = count > 1 && strcmp(names[1], "--init") == 0 ? 2 : 1;
  for (int i = first; i < count; ++i) {
    void* library = dlopen(names[i], RTLD_NOW);
    if (library == NULL) {
      printf("%s failed %s\n", names[i], dlerror());
      return 1;
    }
    (first == 1 ? look : init)(names[i], library);
  }
  return 0;
}
