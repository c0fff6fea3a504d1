// SHA-256 (FIPS 180-4), for provenance of imported files.
#ifndef SK_SHA256_H
#define SK_SHA256_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t state[8];
    uint64_t length;
    uint8_t buffer[64];
} sk_sha256;

void sk_sha256_begin(sk_sha256 *hash);
void sk_sha256_update(sk_sha256 *hash, const void *data, size_t count);
void sk_sha256_finish(sk_sha256 *hash, uint8_t digest[32]);
#endif
