// SHA-256 as FIPS 180-4 states it, in portable C and with the SHA instructions of x86-64.
#include "sk_sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#endif

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t rotate_right(uint32_t x, int bits) { return (x >> bits) | (x << (32 - bits)); }

static void compress_portable(uint32_t state[8], const uint8_t *blocks, size_t count) {
    for (; count > 0; count--, blocks += 64) {
        uint32_t w[64];
        for (int i = 0; i < 16; i++) {
            w[i] = (uint32_t)blocks[4 * i] << 24 | (uint32_t)blocks[4 * i + 1] << 16 |
                   (uint32_t)blocks[4 * i + 2] << 8 | (uint32_t)blocks[4 * i + 3];
        }
        for (int i = 16; i < 64; i++) {
            const uint32_t near = w[i - 2], far = w[i - 15];
            w[i] = w[i - 16] + w[i - 7] + (rotate_right(far, 7) ^ rotate_right(far, 18) ^ (far >> 3)) +
                   (rotate_right(near, 17) ^ rotate_right(near, 19) ^ (near >> 10));
        }
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int i = 0; i < 64; i++) {
            const uint32_t t1 = h + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) +
                                ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
            const uint32_t t2 =
                (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#if defined(__x86_64__)
// The instructions keep the state as two registers, from the highest lane down: (a, b, e, f) and (c, d, g, h).
__attribute__((target("sha,ssse3,sse4.1"))) static void compress_sha(uint32_t state[8], const uint8_t *blocks,
                                                                     size_t count) {
    typedef uint32_t v4 __attribute__((vector_size(16)));
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    v4 low, high;
    memcpy(&low, state, 16);
    memcpy(&high, state + 4, 16);
    __m128i abef = (__m128i)__builtin_shufflevector(low, high, 5, 4, 1, 0);
    __m128i cdgh = (__m128i)__builtin_shufflevector(low, high, 7, 6, 3, 2);
    for (; count > 0; count--, blocks += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(blocks + 16 * i)), big_endian);
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++) {
            __m128i *now = &w[i & 3];
            if (i >= 4) {
                const __m128i back2 = w[(i + 2) & 3], back1 = w[(i + 3) & 3];
                __m128i next = _mm_sha256msg1_epu32(*now, w[(i + 1) & 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(back1, back2, 4));
                *now = _mm_sha256msg2_epu32(next, back1);
            }
            const __m128i constants = _mm_loadu_si128((const __m128i *)(const void *)(round_constants + 4 * i));
            const __m128i sum = _mm_add_epi32(*now, constants);
            // Two rounds give the next (a, b, e, f), and the present one becomes the next (c, d, g, h).
            const __m128i middle = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, middle, _mm_srli_si128(sum, 8));
            cdgh = middle;
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const v4 top = (v4)abef, bottom = (v4)cdgh;
    low = __builtin_shufflevector(top, bottom, 3, 2, 7, 6);
    high = __builtin_shufflevector(top, bottom, 1, 0, 5, 4);
    memcpy(state, &low, 16);
    memcpy(state + 4, &high, 16);
}

static int processor_has_sha(void) {
    // Racing first calls compute the same value, so a relaxed store is enough.
    static _Atomic int cached = -1;
    int has = atomic_load_explicit(&cached, memory_order_relaxed);
    if (has >= 0) return has;
    unsigned a, b, c, d;
    const int vectors = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1);
    has = vectors && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
    atomic_store_explicit(&cached, has, memory_order_relaxed);
    return has;
}
#endif

static void compress(uint32_t state[8], const uint8_t *blocks, size_t count) {
#if defined(__x86_64__)
    if (processor_has_sha()) {
        compress_sha(state, blocks, count);
        return;
    }
#endif
    compress_portable(state, blocks, count);
}

void sk_sha256_begin(sk_sha256 *hash) {
    // The first 32 bits of the fractional parts of the square roots of the first 8 primes.
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, start, sizeof start);
    memset(hash->buffer, 0, sizeof hash->buffer);
    hash->length = 0;
}

void sk_sha256_update(sk_sha256 *hash, const void *data, size_t count) {
    if (count == 0) return;
    const uint8_t *bytes = data;
    const size_t held = (size_t)(hash->length % 64);
    hash->length += count;
    if (held > 0) {
        const size_t room = 64 - held, taken = count < room ? count : room;
        memcpy(hash->buffer + held, bytes, taken);
        if (taken < room) return;
        compress(hash->state, hash->buffer, 1);
        bytes += taken;
        count -= taken;
    }
    compress(hash->state, bytes, count / 64);
    if (count % 64 > 0) memcpy(hash->buffer, bytes + count / 64 * 64, count % 64);
}

void sk_sha256_finish(sk_sha256 *hash, uint8_t digest[32]) {
    const uint64_t bits = hash->length * 8;
    const size_t held = (size_t)(hash->length % 64);
    // A one bit, zeros, and the length in the last 8 bytes of a block: one block, or two.
    uint8_t tail[128] = {0};
    memcpy(tail, hash->buffer, held);
    tail[held] = 0x80;
    const size_t size = held < 56 ? 64 : 128;
    for (size_t i = 0; i < 8; i++) tail[size - 1 - i] = (uint8_t)(bits >> (8 * i));
    compress(hash->state, tail, size / 64);
    for (size_t i = 0; i < 32; i++) digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}
