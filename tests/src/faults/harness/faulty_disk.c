//! Stands between a process and libc (LD_PRELOAD): numbers, records, delays and fails what it does to the files of one folder, and moves its clock.
//
// FAULTY_DISK_FOLDER   folder whose files are meant, canonical
// FAULTY_DISK_CONTROL  file of 4,096 bytes, mapped; fields below, which the harness reads and sets while the process runs
// FAULTY_DISK_JOURNAL  file to which every change that succeeded is appended; without it nothing is recorded
//
// One lock is held over each call and its record, so that the journal has the order in which the kernel saw the calls.
// Reads, memory maps and calls without libc (the service locks files and asks for free space so) pass by.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Fields of the control file, 64 bits each; `shim.rs` has the same numbers.
enum {
    CALLS,         // calls so far that change or sync something
    RECORDS,       // records in the journal so far
    FAULTS,        // calls that were failed
    FAIL_AT,       // number of the call that fails, the first is 1; 0: none
    FAIL_ERRNO,    // its error
    FAIL_CLASSES,  // sum of the classes below that fail
    FAIL_ALL,      // 1: all later calls fail too; with ENOSPC only those that make a file longer
    DELAY_WRITE,   // microseconds before each write
    DELAY_SYNC,    // microseconds before each sync
    CLOCK_NS,      // nanoseconds that the clock is ahead, signed
};
enum { CLASS_WRITE = 1, CLASS_SYNC = 2, CLASS_NAME = 4, CLASS_LENGTH = 8 };
enum { WRITE = 1, LENGTH, SYNC, SYNC_FAILED, CREATE, UNLINK, RENAME, LINK, SYNC_FOLDER, ZEROS };
enum { IS_TRACKED = 1, IS_APPENDING = 2, IS_FOLDER = 4 };

struct record {
    uint32_t kind, names;  // names: bytes of the names after the record, each with a zero at its end
    uint64_t inode, offset, length;
};

static volatile int64_t *control;
static char folder[PATH_MAX];
static size_t folder_length;
static int journal = -1;
static unsigned char descriptors[1 << 16];
static int next_errno;  // the rest of a write that was cut short fails with it
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name)                                              \
    static __typeof__(&name) real;                              \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int real_open(const char *path, int flags, mode_t mode) {
    static int (*real)(const char *, int, ...);
    if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return real(path, flags, mode);
}

static ssize_t real_write(int fd, const void *data, size_t length) {
    REAL(write);
    return real(fd, data, length);
}

__attribute__((constructor)) static void start(void) {
    const char *where = getenv("FAULTY_DISK_FOLDER"), *state = getenv("FAULTY_DISK_CONTROL"), *log = getenv("FAULTY_DISK_JOURNAL");
    if (!where || !state || strlen(where) >= sizeof folder) return;
    int fd = real_open(state, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return;
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) return;
    strcpy(folder, where);
    folder_length = strlen(folder);
    if (log) journal = real_open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    control = mapped;
}

// Returns the path within the folder, "" for the folder itself; NULL for other paths.
static const char *within(int at, const char *path, char *buffer) {
    if (!control || !path) return NULL;
    if (path[0] == '/') {
        if (strlen(path) >= PATH_MAX) return NULL;
        strcpy(buffer, path);
    } else {
        char link[64];
        snprintf(link, sizeof link, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, buffer, PATH_MAX - 1);
        if (length < 0 || length + strlen(path) + 2 > PATH_MAX) return NULL;
        buffer[length] = 0;
        if (strcmp(path, ".")) sprintf(buffer + length, "/%s", path);
    }
    if (strncmp(buffer, folder, folder_length)) return NULL;
    char *rest = buffer + folder_length;
    if (*rest == 0) return rest;
    if (*rest++ != '/') return NULL;
    while (!strncmp(rest, "./", 2)) rest += 2;
    return rest;
}

// Appends a record. The caller holds the lock.
static void record(uint32_t kind, uint64_t inode, uint64_t offset, const void *data, uint64_t length, const char *name, const char *other) {
    if (journal < 0) return;
    uint32_t names = (name ? strlen(name) + 1 : 0) + (other ? strlen(other) + 1 : 0);
    struct record head = {kind, names, inode, offset, length};
    struct iovec parts[4] = {{&head, sizeof head}};
    int count = 1;
    if (name) parts[count++] = (struct iovec){(void *)name, strlen(name) + 1};
    if (other) parts[count++] = (struct iovec){(void *)other, strlen(other) + 1};
    if (data) parts[count++] = (struct iovec){(void *)data, length};
    REAL(writev);
    size_t whole = sizeof head + names + (data ? length : 0);
    // A recording with a gap would be judged wrongly.
    if (real(journal, parts, count) != (ssize_t)whole) abort();
    __atomic_add_fetch(&control[RECORDS], 1, __ATOMIC_SEQ_CST);
}

// Numbers a call and returns the error with which it has to fail, or 0. The caller holds the lock.
static int fault(int class, int extends) {
    int64_t call = __atomic_add_fetch(&control[CALLS], 1, __ATOMIC_SEQ_CST), at = control[FAIL_AT];
    int error = 0;
    if (next_errno && class == CLASS_WRITE) {
        error = next_errno;
        next_errno = 0;
    } else if (at && (control[FAIL_CLASSES] & class)) {
        int all = control[FAIL_ALL] && call > at && (control[FAIL_ERRNO] != ENOSPC || extends);
        if (call == at || all) error = (int)control[FAIL_ERRNO];
    }
    if (error) __atomic_add_fetch(&control[FAULTS], 1, __ATOMIC_SEQ_CST);
    return error;
}

static int flags_of(int fd) { return control && fd >= 0 && fd < (int)sizeof descriptors ? descriptors[fd] : 0; }

static void delay(int field) {
    if (control[field] > 0) usleep(control[field]);
}

static uint64_t inode_of(int fd, uint64_t *size) {
    struct stat found;
    if (fstat(fd, &found)) return 0;
    if (size) *size = found.st_size;
    return found.st_ino;
}

static int fail(int error) {
    pthread_mutex_unlock(&lock);
    errno = error;
    return -1;
}

static int done(int result) {
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static int open_at(int at, const char *path, int flags, mode_t mode) {
    static int (*real)(int, const char *, int, ...);
    if (!real) real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
    char buffer[PATH_MAX];
    // A file without a name is gone after every cut, and whoever makes one can do without it.
    const char *name = (flags & O_TMPFILE) == O_TMPFILE ? NULL : within(at, path, buffer);
    if (!name) return real(at, path, flags, mode);
    pthread_mutex_lock(&lock);
    int is_new = (flags & O_CREAT) && faccessat(at, path, F_OK, 0) != 0;
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    // A disk that has become read-only refuses to open for writing; other faults meet the creation alone.
    if (is_new || (flags & O_TRUNC)) {
        int error = fault(CLASS_NAME, 1);
        if (error) return fail(error);
    } else if (writes && control[FAIL_AT] && control[FAIL_ALL] && control[FAIL_ERRNO] == EROFS) {
        return fail(EROFS);
    }
    int fd = real(at, path, flags, mode);
    if (fd >= 0 && fd < (int)sizeof descriptors) {
        struct stat found;
        int is_folder = !fstat(fd, &found) && S_ISDIR(found.st_mode);
        descriptors[fd] = IS_TRACKED | (flags & O_APPEND ? IS_APPENDING : 0) | (is_folder && !*name ? IS_FOLDER : 0);
        if (is_new) record(CREATE, found.st_ino, 0, NULL, 0, name, NULL);
        else if (flags & O_TRUNC) record(LENGTH, found.st_ino, 0, NULL, 0, NULL, NULL);
    }
    return done(fd);
}

static mode_t mode_of(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

#define OPEN(name)                                  \
    int name(const char *path, int flags, ...) {    \
        va_list rest;                               \
        va_start(rest, flags);                      \
        mode_t mode = mode_of(flags, rest);         \
        va_end(rest);                               \
        return open_at(AT_FDCWD, path, flags, mode); \
    }
#define OPENAT(name)                                     \
    int name(int at, const char *path, int flags, ...) { \
        va_list rest;                                    \
        va_start(rest, flags);                           \
        mode_t mode = mode_of(flags, rest);              \
        va_end(rest);                                    \
        return open_at(at, path, flags, mode);           \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
    REAL(close);
    if (flags_of(fd)) descriptors[fd] = 0;
    return real(fd);
}

// Writes at an offset, or at the position of the descriptor when it is negative.
static ssize_t write_at(int fd, const void *data, size_t length, off_t offset) {
    static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
    if (!real_pwrite) real_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    int flags = flags_of(fd);
    if (!flags) return offset < 0 ? real_write(fd, data, length) : real_pwrite(fd, data, length, offset);
    delay(DELAY_WRITE);
    pthread_mutex_lock(&lock);
    uint64_t size = 0, inode = inode_of(fd, &size);
    off_t start = flags & IS_APPENDING ? (off_t)size : offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
    int error = fault(CLASS_WRITE, start + length > size);
    if (error) {
        // A full disk takes what still fits: half of this write.
        if (error != ENOSPC || length < 2 || control[FAIL_ALL]) return fail(error);
        length /= 2;
        next_errno = control[FAIL_ALL] ? 0 : error;
    }
    ssize_t written = offset < 0 ? real_write(fd, data, length) : real_pwrite(fd, data, length, offset);
    if (written > 0) record(WRITE, inode, start, data, written, NULL, NULL);
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return written;
}

ssize_t write(int fd, const void *data, size_t length) { return write_at(fd, data, length, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    if (!flags_of(fd)) return real(fd, parts, count);
    ssize_t all = 0;
    for (int part = 0; part < count; part++) {
        ssize_t written = write_at(fd, parts[part].iov_base, parts[part].iov_len, -1);
        if (written < 0) return all ? all : -1;
        all += written;
        if ((size_t)written < parts[part].iov_len) break;
    }
    return all;
}

// Copies within the kernel fall back to reads and writes.
ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t length, unsigned flags) {
    REAL(copy_file_range);
    if (!flags_of(out)) return real(in, from, out, to, length, flags);
    errno = EXDEV;
    return -1;
}

ssize_t sendfile64(int out, int in, off_t *offset, size_t length) {
    static ssize_t (*real)(int, int, off_t *, size_t);
    if (!real) real = (ssize_t(*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile64");
    if (!flags_of(out)) return real(out, in, offset, length);
    errno = EINVAL;
    return -1;
}

static int sync_file(int fd) {
    REAL(fsync);
    int flags = flags_of(fd);
    if (!flags) return real(fd);
    delay(DELAY_SYNC);
    pthread_mutex_lock(&lock);
    int error = fault(CLASS_SYNC, 0);
    uint64_t inode = inode_of(fd, NULL);
    if (error) {
        record(SYNC_FAILED, inode, 0, NULL, 0, NULL, NULL);
        return fail(error);
    }
    // What is judged is the recording, so that the disk of the machine need not be waited for.
    record(flags & IS_FOLDER ? SYNC_FOLDER : SYNC, inode, 0, NULL, 0, NULL, NULL);
    return done(journal < 0 ? real(fd) : 0);
}

int fsync(int fd) { return sync_file(fd); }
int fdatasync(int fd) { return sync_file(fd); }

static int set_length(int fd, off_t length) {
    REAL(ftruncate);
    if (!flags_of(fd)) return real(fd, length);
    pthread_mutex_lock(&lock);
    uint64_t size = 0, inode = inode_of(fd, &size);
    int error = fault(CLASS_LENGTH, (uint64_t)length > size);
    if (error) return fail(error);
    int result = real(fd, length);
    if (!result) record(LENGTH, inode, length, NULL, 0, NULL, NULL);
    return done(result);
}

int ftruncate(int fd, off_t length) { return set_length(fd, length); }
int ftruncate64(int fd, off_t length) { return set_length(fd, length); }

int fallocate(int fd, int mode, off_t offset, off_t length) {
    REAL(fallocate);
    if (!flags_of(fd)) return real(fd, mode, offset, length);
    pthread_mutex_lock(&lock);
    uint64_t size = 0, inode = inode_of(fd, NULL);
    int error = fault(CLASS_LENGTH, !(mode & FALLOC_FL_KEEP_SIZE));
    if (error) return fail(error);
    int result = real(fd, mode, offset, length);
    if (!result && (mode & FALLOC_FL_PUNCH_HOLE)) record(ZEROS, inode, offset, NULL, length, NULL, NULL);
    else if (!result && !(mode & FALLOC_FL_KEEP_SIZE) && inode_of(fd, &size)) record(LENGTH, inode, size, NULL, 0, NULL, NULL);
    return done(result);
}

// Does one of the calls that change names; `names` are within the folder or NULL.
#define NAMED(call, kind, first, second)                                        \
    if (!(first) && !(second)) return call;                                     \
    pthread_mutex_lock(&lock);                                                  \
    int error = fault(CLASS_NAME, 0);                                           \
    if (error) return fail(error);                                              \
    int result = call;                                                          \
    if (!result) record(kind, 0, 0, NULL, 0, (first) ? (first) : "", (second)); \
    return done(result)

int unlink(const char *path) {
    REAL(unlink);
    char buffer[PATH_MAX];
    const char *name = within(AT_FDCWD, path, buffer), *none = NULL;
    NAMED(real(path), UNLINK, name, none);
}

int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat);
    char buffer[PATH_MAX];
    const char *name = flags & AT_REMOVEDIR ? NULL : within(at, path, buffer), *none = NULL;
    NAMED(real(at, path, flags), UNLINK, name, none);
}

int remove(const char *path) {
    REAL(remove);
    char buffer[PATH_MAX];
    const char *name = within(AT_FDCWD, path, buffer), *none = NULL;
    NAMED(real(path), UNLINK, name, none);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    char one[PATH_MAX], two[PATH_MAX];
    const char *first = within(AT_FDCWD, from, one), *second = within(AT_FDCWD, to, two);
    NAMED(real(from, to), RENAME, first, second);
}

int link(const char *from, const char *to) {
    REAL(link);
    char one[PATH_MAX], two[PATH_MAX];
    const char *first = within(AT_FDCWD, from, one), *second = within(AT_FDCWD, to, two);
    NAMED(real(from, to), LINK, first, second);
}

int linkat(int at, const char *from, int to_at, const char *to, int flags) {
    REAL(linkat);
    char one[PATH_MAX], two[PATH_MAX];
    const char *first = within(at, from, one), *second = within(to_at, to, two);
    NAMED(real(at, from, to_at, to, flags), LINK, first, second);
}

int clock_gettime(clockid_t which, struct timespec *time) {
    REAL(clock_gettime);
    int result = real(which, time);
    if (!result && control && control[CLOCK_NS] && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        int64_t nanos = time->tv_sec * 1000000000LL + time->tv_nsec + control[CLOCK_NS];
        time->tv_sec = nanos / 1000000000LL;
        time->tv_nsec = nanos % 1000000000LL;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now_at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    if (!result) *now_at = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return result;
}

time_t time(time_t *stored) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (stored) *stored = now.tv_sec;
    return now.tv_sec;
}
