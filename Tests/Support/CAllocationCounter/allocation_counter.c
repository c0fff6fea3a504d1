#include "CAllocationCounter.h"
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static _Thread_local int64_t thread_count;
static _Atomic int64_t process_count;

static void count(void) {
    thread_count++;
    atomic_fetch_add_explicit(&process_count, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *pointer, size_t size) {
    count();
    return __libc_realloc(pointer, size);
}

void *memalign(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *pointer = memalign(alignment, size);
    if (!pointer) return ENOMEM;
    *out = pointer;
    return 0;
}

// Large buffers are mappings of their own.
void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    if (flags & MAP_ANONYMOUS) count();
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

int64_t allocation_count_of_thread(void) { return thread_count; }
int64_t live_heap_bytes(void) {
    const struct mallinfo2 told = mallinfo2();
    return (int64_t)(told.uordblks + told.hblkhd);
}
int64_t allocation_count_of_process(void) { return atomic_load_explicit(&process_count, memory_order_relaxed); }
