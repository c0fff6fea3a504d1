// The register tiles of AVX-512 (see segments_lanes.h): of 32 registers 24 are sums.
#define SK_REGISTER 16
#define SK_EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define SK_TILE_ROWS 12
#define SK_TILE_VECTORS 2
