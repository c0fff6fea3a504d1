// Resampling of 8-bit RGB rows. All sums are integers, so every level gives the same bytes.
#include "sk_resample.h"

static uint8_t narrowed(int32_t sum, int32_t shift) {
    int32_t value = sum >> shift;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

void sk_resample_row_scalar(const uint8_t *rgb, int32_t width, const sk_resample_taps *taps, int16_t *planes,
                            int32_t plane_stride, uint8_t *out) {
    (void)width;
    (void)planes;
    (void)plane_stride;
    for (int32_t o = 0; o < taps->outputs; o++) {
        const int16_t *weights = taps->weights + (int64_t)o * taps->stride;
        const uint8_t *source = rgb + 3 * (int64_t)taps->starts[o];
        int32_t sums[3];
        for (int c = 0; c < 3; c++) sums[c] = 1 << (taps->shift - 1);
        for (int32_t j = 0; j < taps->counts[o]; j++) {
            for (int c = 0; c < 3; c++) sums[c] += weights[j] * source[3 * j + c];
        }
        for (int c = 0; c < 3; c++) out[3 * (int64_t)o + c] = narrowed(sums[c], taps->shift);
    }
}

void sk_resample_column_scalar(const uint8_t *rows, int32_t bytes, const sk_resample_taps *taps, int32_t output,
                               uint8_t *out) {
    const int16_t *weights = taps->weights + (int64_t)output * taps->stride;
    for (int32_t i = 0; i < bytes; i++) {
        int32_t sum = 1 << (taps->shift - 1);
        for (int32_t j = 0; j < taps->counts[output]; j++) sum += weights[j] * rows[(int64_t)j * bytes + i];
        out[i] = narrowed(sum, taps->shift);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,fma,f16c")))

// Three planes of 16-bit values, with zeros behind them as far as padded taps reach.
AVX2 static void spread(const uint8_t *rgb, int32_t width, int16_t *planes, int32_t plane_stride, int32_t padding) {
    int32_t i = 0;
    const __m128i red = _mm_setr_epi8(0, -1, 3, -1, 6, -1, 9, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m128i green = _mm_setr_epi8(1, -1, 4, -1, 7, -1, 10, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m128i blue = _mm_setr_epi8(2, -1, 5, -1, 8, -1, 11, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    for (; 3 * (i + 4) + 4 <= 3 * width; i += 4) {
        __m128i pixels = _mm_loadu_si128((const __m128i *)(rgb + 3 * (int64_t)i));
        _mm_storel_epi64((__m128i *)(planes + i), _mm_shuffle_epi8(pixels, red));
        _mm_storel_epi64((__m128i *)(planes + plane_stride + i), _mm_shuffle_epi8(pixels, green));
        _mm_storel_epi64((__m128i *)(planes + 2 * (int64_t)plane_stride + i), _mm_shuffle_epi8(pixels, blue));
    }
    for (; i < width; i++) {
        for (int c = 0; c < 3; c++) planes[c * (int64_t)plane_stride + i] = rgb[3 * (int64_t)i + c];
    }
    for (int c = 0; c < 3; c++) {
        for (i = 0; i < padding; i++) planes[c * (int64_t)plane_stride + width + i] = 0;
    }
}

AVX2 static void sk_resample_row_avx2(const uint8_t *rgb, int32_t width, const sk_resample_taps *taps,
                                      int16_t *planes, int32_t plane_stride, uint8_t *out) {
    spread(rgb, width, planes, plane_stride, taps->stride);
    const __m128i half = _mm_set1_epi32(1 << (taps->shift - 1));
    const __m128i shift = _mm_cvtsi32_si128(taps->shift);
    for (int32_t o = 0; o < taps->outputs; o++) {
        const int16_t *weights = taps->weights + (int64_t)o * taps->stride;
        const int16_t *source = planes + taps->starts[o];
        __m256i red = _mm256_setzero_si256(), green = red, blue = red;
        for (int32_t j = 0; j < taps->counts[o]; j += SK_RESAMPLE_TAPS) {
            __m256i w = _mm256_loadu_si256((const __m256i *)(weights + j));
            red = _mm256_add_epi32(red, _mm256_madd_epi16(w, _mm256_loadu_si256((const __m256i *)(source + j))));
            green = _mm256_add_epi32(
                green, _mm256_madd_epi16(w, _mm256_loadu_si256((const __m256i *)(source + plane_stride + j))));
            blue = _mm256_add_epi32(
                blue,
                _mm256_madd_epi16(w, _mm256_loadu_si256((const __m256i *)(source + 2 * (int64_t)plane_stride + j))));
        }
        __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(red, green), _mm256_hadd_epi32(blue, blue));
        __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
        sums = _mm_sra_epi32(_mm_add_epi32(sums, half), shift);
        __m128i words = _mm_packs_epi32(sums, sums);
        uint32_t pixel = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(words, words));
        out[3 * (int64_t)o] = (uint8_t)pixel;
        out[3 * (int64_t)o + 1] = (uint8_t)(pixel >> 8);
        out[3 * (int64_t)o + 2] = (uint8_t)(pixel >> 16);
    }
}

AVX2 static void sk_resample_column_avx2(const uint8_t *rows, int32_t bytes, const sk_resample_taps *taps,
                                         int32_t output, uint8_t *out) {
    const int16_t *weights = taps->weights + (int64_t)output * taps->stride;
    const int32_t count = taps->counts[output];
    const __m256i half = _mm256_set1_epi32(1 << (taps->shift - 1));
    const __m128i shift = _mm_cvtsi32_si128(taps->shift);
    int32_t i = 0;
    for (; i + 16 <= bytes; i += 16) {
        // Two rows at a time: their bytes alternate, so one multiply-add weighs and joins both.
        __m256i low = half, high = half;
        for (int32_t j = 0; j < count; j += 2) {
            const uint8_t *first = rows + (int64_t)j * bytes + i;
            __m128i a = _mm_loadu_si128((const __m128i *)first);
            __m128i b = j + 1 < count ? _mm_loadu_si128((const __m128i *)(first + bytes)) : _mm_setzero_si128();
            uint32_t pair = (uint16_t)weights[j] | (j + 1 < count ? (uint32_t)(uint16_t)weights[j + 1] << 16 : 0);
            __m256i w = _mm256_set1_epi32((int32_t)pair);
            low = _mm256_add_epi32(low, _mm256_madd_epi16(w, _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b))));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(w, _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b))));
        }
        low = _mm256_sra_epi32(low, shift);
        high = _mm256_sra_epi32(high, shift);
        __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
        __m128i packed = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(out + i), packed);
    }
    for (; i < bytes; i++) {
        int32_t sum = 1 << (taps->shift - 1);
        for (int32_t j = 0; j < count; j++) sum += weights[j] * rows[(int64_t)j * bytes + i];
        out[i] = narrowed(sum, taps->shift);
    }
}
#endif

void sk_resample_row(const uint8_t *rgb, int32_t width, const sk_resample_taps *taps, int16_t *planes,
                     int32_t plane_stride, uint8_t *out) {
#if defined(__x86_64__)
    if (sk_current_level() >= SK_LEVEL_AVX2) {
        sk_resample_row_avx2(rgb, width, taps, planes, plane_stride, out);
        return;
    }
#endif
    sk_resample_row_scalar(rgb, width, taps, planes, plane_stride, out);
}

void sk_resample_column(const uint8_t *rows, int32_t bytes, const sk_resample_taps *taps, int32_t output,
                        uint8_t *out) {
#if defined(__x86_64__)
    if (sk_current_level() >= SK_LEVEL_AVX2) {
        sk_resample_column_avx2(rows, bytes, taps, output, out);
        return;
    }
#endif
    sk_resample_column_scalar(rows, bytes, taps, output, out);
}
