// CRC-32C in portable C, and with the crc32 instruction of SSE 4.2.
#include "sk_crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#endif

// What four bits that leave the register add to it, for the reflected polynomial 0x82f63b78.
static const uint32_t nibbles[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                     0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                     0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

uint32_t sk_crc32c_scalar(uint32_t before, const void *data, size_t count) {
    const uint8_t *bytes = data;
    uint32_t crc = ~before;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
// The instruction takes three cycles and can begin every cycle, so three stretches go side by side. A register moves
// past a stretch of zeros by one carry-less product with x^(8 n - 33) and one more instruction (Gopal et al. 2011).
#define STRETCH 1024

__attribute__((target("sse4.2,pclmul"))) static uint64_t past(uint64_t crc, int64_t power) {
    const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128(power), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_sse42(uint32_t before, const void *data,
                                                                       size_t count) {
    const int64_t one_stretch = 0x170076fa, two_stretches = 0xa51b6135;
    const uint8_t *bytes = data;
    uint64_t crc = ~before;
    for (; count >= 3 * STRETCH; count -= 3 * STRETCH, bytes += 3 * STRETCH) {
        uint64_t first = crc, second = 0, third = 0;
        for (size_t i = 0; i < STRETCH; i += 8) {
            uint64_t a, b, c;
            memcpy(&a, bytes + i, 8);
            memcpy(&b, bytes + STRETCH + i, 8);
            memcpy(&c, bytes + 2 * STRETCH + i, 8);
            first = _mm_crc32_u64(first, a);
            second = _mm_crc32_u64(second, b);
            third = _mm_crc32_u64(third, c);
        }
        crc = past(first, two_stretches) ^ past(second, one_stretch) ^ third;
    }
    for (; count >= 8; count -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    uint32_t rest = (uint32_t)crc;
    for (; count > 0; count--, bytes++) rest = _mm_crc32_u8(rest, *bytes);
    return ~rest;
}

static int processor_has_crc32(void) {
    // Racing first calls compute the same value, so a relaxed store is enough.
    static _Atomic int cached = -1;
    int has = atomic_load_explicit(&cached, memory_order_relaxed);
    if (has >= 0) return has;
    unsigned a, b, c, d;
    has = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) && (c & bit_PCLMUL);
    atomic_store_explicit(&cached, has, memory_order_relaxed);
    return has;
}
#endif

uint32_t sk_crc32c(uint32_t before, const void *data, size_t count) {
#if defined(__x86_64__)
    if (processor_has_crc32()) return crc32c_sse42(before, data, count);
#endif
    return sk_crc32c_scalar(before, data, count);
}
