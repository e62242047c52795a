// The wall clock as one program sees it, moved by what CLOCK_OFFSET_FILE holds: seconds, a 64-bit
// integer.
//
// No namespace has a wall clock of its own (time namespaces move the monotonic clocks, and only
// those of programs that have not started), and the machine's is not the tests' to set. So it is
// moved where a program reads it, and moved back where a wait is handed to the kernel, whose clock
// has not moved. Preloaded.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

static const int64_t zero;
static const volatile int64_t* offset = &zero;

__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("CLOCK_OFFSET_FILE");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void* map = fd < 0 ? MAP_FAILED : mmap(0, sizeof zero, PROT_READ, MAP_SHARED, fd, 0);
  if (fd >= 0) close(fd);
  if (map == MAP_FAILED) abort();  // a test that moves nothing would prove nothing
  offset = map;
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  // The kernel's, not libc's: what is preloaded may be asked before dlsym works.
  long done = syscall(SYS_clock_gettime, clock, time);
  if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    time->tv_sec += *offset;
  return (int)done;
}

int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  *time = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* to) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (to) *to = now.tv_sec;
  return now.tv_sec;
}

// A wait's end in the kernel's clock. What is no date is of the monotonic clock.
static struct timespec end_of(const struct timespec* end) {
  struct timespec moved = *end;
  if (moved.tv_sec > 1000000000) moved.tv_sec -= *offset;
  if (moved.tv_sec < 0) moved.tv_sec = 0;
  return moved;
}

int pthread_cond_timedwait(pthread_cond_t* restrict cond, pthread_mutex_t* restrict mutex,
                           const struct timespec* restrict end) {
  struct timespec moved = end_of(end);
  return NEXT(int (*)(pthread_cond_t*, pthread_mutex_t*, const struct timespec*),
              "pthread_cond_timedwait")(cond, mutex, &moved);
}

int pthread_cond_clockwait(pthread_cond_t* restrict cond, pthread_mutex_t* restrict mutex,
                           clockid_t clock, const struct timespec* restrict end) {
  struct timespec moved = end_of(end);
  return NEXT(int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const struct timespec*),
              "pthread_cond_clockwait")(cond, mutex, clock, &moved);
}

int sem_timedwait(sem_t* restrict semaphore, const struct timespec* restrict end) {
  struct timespec moved = end_of(end);
  return NEXT(int (*)(sem_t*, const struct timespec*), "sem_timedwait")(semaphore, &moved);
}

// Libraries that wait on futexes themselves do it through here.
long syscall(long number, ...) {
  long a[6];
  va_list more;
  va_start(more, number);
  for (int i = 0; i < 6; ++i) a[i] = va_arg(more, long);
  va_end(more);
  struct timespec moved;
  if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME) && a[3]) {
    moved = end_of((const struct timespec*)a[3]);
    a[3] = (long)&moved;
  }
  long done;
#if defined(__x86_64__)
  register long r10 __asm__("r10") = a[3];
  register long r8 __asm__("r8") = a[4];
  register long r9 __asm__("r9") = a[5];
  __asm__ volatile("syscall"
                   : "=a"(done)
                   : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a[0];
  register long x1 __asm__("x1") = a[1];
  register long x2 __asm__("x2") = a[2];
  register long x3 __asm__("x3") = a[3];
  register long x4 __asm__("x4") = a[4];
  register long x5 __asm__("x5") = a[5];
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  done = x0;
#endif
  if (done < 0 && done > -4096) {
    errno = (int)-done;
    return -1;
  }
  return done;
}
