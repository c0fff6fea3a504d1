// The register tiles of AVX-512 (see attention_page.h): of 32 registers 24 are sums, the rest keys or values.
#define SK_REGISTER 16
#define SK_EACH_FEW(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define SK_EACH_MANY(X) SK_EACH_FEW(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define SK_FEW_ROWS 6
#define SK_FEW_ROWS_OF_HALVES 6
#define SK_FEW_VECTORS 4
#define SK_MANY_ROWS 12
#define SK_MANY_VECTORS 2
