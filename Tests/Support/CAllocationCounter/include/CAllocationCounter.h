// Counts heap allocations of this process: the executable's malloc takes the place of the C library's.
#ifndef C_ALLOCATION_COUNTER_H
#define C_ALLOCATION_COUNTER_H
#include <stdint.h>

// Allocations by the calling thread since it started.
int64_t allocation_count_of_thread(void);
// Allocations by all threads since the process started.
int64_t allocation_count_of_process(void);
// What is allocated and not freed, whatever the system keeps for the process.
int64_t live_heap_bytes(void);
#endif
