// Vectors of float32 lanes of the processor compiled for, and the two element types that products take.
//
// AVX-512 has 32 registers of 16 lanes, AVX2 16 of 8. A micro-kernel (product.h) holds at most ROWS x 2 vectors of sums
// beside its operands, which fills the registers.

#pragma once

#if defined(__FAST_MATH__)
#error "fast-math would drop the rounding in power_of_two"
#endif

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)

using Vec = __m512;
using Bits = __m512i;
constexpr int LANES = 16;
constexpr int ROWS = 14;

inline Vec load(const float* from) { return _mm512_loadu_ps(from); }
inline void store(float* to, Vec x) { _mm512_storeu_ps(to, x); }
inline Vec all(float x) { return _mm512_set1_ps(x); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec larger(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec smaller(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec root(Vec x) { return _mm512_sqrt_ps(x); }
inline Vec about_inverse(Vec x) { return _mm512_rcp14_ps(x); }
inline Vec about_inverse_root(Vec x) { return _mm512_rsqrt14_ps(x); }
inline Bits bits(Vec x) { return _mm512_castps_si512(x); }
inline Vec floats(Bits x) { return _mm512_castsi512_ps(x); }
inline Bits all_bits(int32_t x) { return _mm512_set1_epi32(x); }
inline Bits add_bits(Bits a, Bits b) { return _mm512_add_epi32(a, b); }
inline Bits and_bits(Bits a, Bits b) { return _mm512_and_si512(a, b); }
inline Bits or_bits(Bits a, Bits b) { return _mm512_or_si512(a, b); }
inline Bits up(Bits x, int by) { return _mm512_slli_epi32(x, by); }
inline Bits down(Bits x, int by) { return _mm512_srli_epi32(x, by); }
// x where a <= b, else 0.
inline Vec where_not_above(Vec a, Vec b, Vec x) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ), x); }
// The smaller of x and y where a <= b, else y; x where y is not a number.
inline Vec smaller_where(Vec a, Vec b, Vec x, Vec y) {
    return _mm512_mask_min_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ), y, x);
}

#else

using Vec = __m256;
using Bits = __m256i;
constexpr int LANES = 8;
constexpr int ROWS = 6;

inline Vec load(const float* from) { return _mm256_loadu_ps(from); }
inline void store(float* to, Vec x) { _mm256_storeu_ps(to, x); }
inline Vec all(float x) { return _mm256_set1_ps(x); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec larger(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec smaller(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec root(Vec x) { return _mm256_sqrt_ps(x); }
inline Vec about_inverse(Vec x) { return _mm256_rcp_ps(x); }
inline Vec about_inverse_root(Vec x) { return _mm256_rsqrt_ps(x); }
inline Bits bits(Vec x) { return _mm256_castps_si256(x); }
inline Vec floats(Bits x) { return _mm256_castsi256_ps(x); }
inline Bits all_bits(int32_t x) { return _mm256_set1_epi32(x); }
inline Bits add_bits(Bits a, Bits b) { return _mm256_add_epi32(a, b); }
inline Bits and_bits(Bits a, Bits b) { return _mm256_and_si256(a, b); }
inline Bits or_bits(Bits a, Bits b) { return _mm256_or_si256(a, b); }
inline Bits up(Bits x, int by) { return _mm256_slli_epi32(x, by); }
inline Bits down(Bits x, int by) { return _mm256_srli_epi32(x, by); }
inline Vec where_not_above(Vec a, Vec b, Vec x) { return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_LE_OQ), x); }
inline Vec smaller_where(Vec a, Vec b, Vec x, Vec y) {
    return _mm256_blendv_ps(y, smaller(y, x), _mm256_cmp_ps(a, b, _CMP_LE_OQ));
}

#endif

// 1 / x and 1 / sqrt(x) for x from 1e-30 to 1e30, right to 3e-7: one step of Newton's method from the processor's guess.
inline Vec inverse(Vec x) {
    const Vec y = about_inverse(x);
    return y * (all(2.0f) - x * y);
}
inline Vec inverse_root(Vec x) {
    const Vec y = about_inverse_root(x);
    return y * (all(1.5f) - (all(0.5f) * x) * y * y);
}

// Float32 operands: one of the inner dimension per 32-bit lane.
struct Single {
    static constexpr int PACK = 1;
    static constexpr int DEGREE = 5;
    static Vec multiply(Vec a, Vec b, Vec sum) { return fma(a, b, sum); }
    static Vec pack(Vec x, Vec) { return x; }
    static float pack(float x, float) { return x; }
};

#if defined(__AVX512BF16__)

// Bfloat16 operands: two of the inner dimension per 32-bit lane, the lower half first; sums in float32.
struct Half {
    static constexpr int PACK = 2;
    static constexpr int DEGREE = 3;  // 7e-5, beside a rounding of 2e-3
    static Vec multiply(Vec a, Vec b, Vec sum) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
    static Vec pack(Vec low, Vec high) {
        const Bits half = all_bits(0x8000);  // rounds to nearest
        const Bits lower = down(add_bits(bits(low), half), 16);
        return floats(or_bits(lower, and_bits(add_bits(bits(high), half), all_bits(int32_t(0xffff0000)))));
    }
    static float pack(float low, float high) {
        uint32_t halves[2], both;
        std::memcpy(halves, &low, 4);
        std::memcpy(halves + 1, &high, 4);
        both = (halves[0] + 0x8000) >> 16 | ((halves[1] + 0x8000) & 0xffff0000);
        std::memcpy(&low, &both, 4);
        return low;
    }
};

#endif

// 2^x for x from -125, below which it stays 2^-125, to 126. The polynomials are the best of their degree on [-1/2, 1/2]
// in relative error: 7.5e-8 (degree 5; 2.1e-7 with float32's rounding), 7.5e-5 (degree 3).
template <int DEGREE>
inline Vec power_of_two(Vec x) {
    const Vec magic = all(12582912.0f);  // 1.5 * 2^23: a sum with it is rounded to whole numbers
    x = larger(x, all(-125.0f));
    const Vec shifted = x + magic;
    const Vec rest = x - (shifted - magic);
    Vec y;
    if constexpr (DEGREE == 3) {
        y = fma(all(0.055171669f), rest, all(0.242611122f));
        y = fma(y, rest, all(0.693260985f));
        y = fma(y, rest, all(0.999928074f));
    } else {
        static_assert(DEGREE == 5);
        y = fma(all(0.0013276472f), rest, all(0.00967554133f));
        y = fma(y, rest, all(0.0555071327f));
        y = fma(y, rest, all(0.240221197f));
        y = fma(y, rest, all(0.693146967f));
        y = fma(y, rest, all(1.00000007f));
    }
    return floats(add_bits(bits(y), up(bits(shifted), 23)));
}
