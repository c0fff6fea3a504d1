// CRC-32C (Castagnoli, as in iSCSI, RFC 3720, appendix B.4), for what is kept on disk.
#ifndef SK_CRC32C_H
#define SK_CRC32C_H
#include <stddef.h>
#include <stdint.h>

// Continues the checksum of the bytes before (0 for none) over `count` more.
uint32_t sk_crc32c(uint32_t before, const void *data, size_t count);
uint32_t sk_crc32c_scalar(uint32_t before, const void *data, size_t count);
#endif
