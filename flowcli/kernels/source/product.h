// The matrix product under everything: a panel of a few rows times a block of one or two vectors of lanes.
//
// Left operands are cut into panels of R rows, stored [panel][depth][R]; right operands into blocks of V vectors, stored
// [depth][V * LANES]. With bfloat16 two steps of the depth share a 32-bit lane of both.

#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#include "lanes.h"

// Scratch memory of one thread; throws std::bad_alloc.
class Scratch {
   public:
    explicit Scratch(size_t floats) : data_(nullptr) {
        const size_t bytes = (floats * sizeof(float) + 63) / 64 * 64;
        data_ = static_cast<float*>(std::aligned_alloc(64, bytes));
        if (!data_) throw std::bad_alloc();
    }
    ~Scratch() { std::free(data_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    operator float*() const { return data_; }

   private:
    float* data_;
};

// Hands `row(r, sums)` each of the R rows of sums.
template <class Type, int R, int V, class Row>
inline __attribute__((always_inline)) void multiply_panel(const float* a, const float* b, int depth, Row&& row) {
    Vec sums[R][V];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sums[r][v] = all(0.0f);
#pragma GCC unroll 1
    for (int k = 0; k < depth; ++k) {
        Vec lanes[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) lanes[v] = load(b + v * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const Vec value = all(a[r]);
#pragma GCC unroll 2
            for (int v = 0; v < V; ++v) sums[r][v] = Type::multiply(value, lanes[v], sums[r][v]);
        }
        a += R;
        b += V * LANES;
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) row(r, sums[r]);
}

// A left operand: `count` rows in panels of `rows` (the last one padded with zeros).
struct Panels {
    const float* data;
    int32_t count;
    int32_t rows;
    int32_t depth;  // in 32-bit lanes

    Panels skip(int64_t panels) const { return {data + panels * rows * depth, count, rows, depth}; }
    int64_t number() const { return (count + rows - 1) / rows; }
};

template <class Type, int R, int V, class Row>
inline void multiply_rows(const Panels& a, const float* b, Row&& row) {
    for (int start = 0; start < a.count; start += R) {
        multiply_panel<Type, R, V>(a.data + int64_t(start) * a.depth, b, a.depth, [&](int r, const Vec(&sums)[V]) {
            if (start + r < a.count) row(start + r, sums);
        });
    }
}

// Hands `row(index, sums)` every row of the product of a left operand with a block of lanes.
template <class Type, int V, class Row>
inline void multiply(const Panels& a, const float* b, Row&& row) {
    // panels.py chooses among these.
    switch (a.rows) {
#if defined(__AVX512F__)
        case 14: return multiply_rows<Type, 14, V>(a, b, row);
        case 12: return multiply_rows<Type, 12, V>(a, b, row);
        case 11: return multiply_rows<Type, 11, V>(a, b, row);
        case 8: return multiply_rows<Type, 8, V>(a, b, row);
#else
        case 6: return multiply_rows<Type, 6, V>(a, b, row);
        case 5: return multiply_rows<Type, 5, V>(a, b, row);
#endif
    }
}

// Lanes of the inner dimension for `count` of its steps.
template <class Type>
constexpr int pack_depth(int count) {
    return (count + Type::PACK - 1) / Type::PACK;
}

// Makes a right operand of `count` rows of lanes, in place or elsewhere.
template <class Type, int V>
inline void pack_lanes(const float* from, float* to, int count) {
    constexpr int WIDTH = V * LANES;
    for (int k = 0; k < count; k += Type::PACK, from += Type::PACK * WIDTH, to += WIDTH)
        for (int v = 0; v < V; ++v) {
            const Vec low = load(from + v * LANES);
            const Vec high = k + 1 < count ? load(from + (Type::PACK - 1) * WIDTH + v * LANES) : all(0.0f);
            store(to + v * LANES, Type::pack(low, high));
        }
}

// Makes panels of `rows` rows of a left operand of `count` rows and `depth` columns, whose elements `at(row, column)`
// gives, with zeros for what is not there.
template <class Type, class At>
inline void pack_panels(float* to, int count, int rows, int depth, At&& at) {
    const int steps = pack_depth<Type>(depth);
    for (int start = 0; start < count; start += rows) {
        const int inside = count - start < rows ? count - start : rows;
        for (int k = 0; k < steps; ++k, to += rows) {
            const bool paired = Type::PACK == 1 || 2 * k + 1 < depth;
            for (int r = 0; r < inside; ++r)
                to[r] = Type::pack(at(start + r, k * Type::PACK), paired ? at(start + r, k * Type::PACK + Type::PACK - 1) : 0.0f);
            for (int r = inside; r < rows; ++r) to[r] = 0.0f;
        }
    }
}

// Turns `count` rows of scores into softmax numerators 2^(score - peak): hands `each(index, powers)` every row in float32
// and leaves them, in place, as a right operand.
template <class Type, int V, class Each>
inline void take_powers(float* scores, int count, const Vec (&peak)[V], Each&& each) {
    constexpr int WIDTH = V * LANES;
    const float* from = scores;
    float* to = scores;
    for (int k = 0; k < count; k += Type::PACK, to += WIDTH) {
        Vec powers[Type::PACK][V];
        for (int p = 0; p < Type::PACK; ++p, from += WIDTH)
            for (int v = 0; v < V; ++v)
                powers[p][v] = k + p < count ? power_of_two<Type::DEGREE>(load(from + v * LANES) - peak[v]) : all(0.0f);
        for (int p = 0; p < Type::PACK; ++p)
            if (k + p < count) each(k + p, powers[p]);
        for (int v = 0; v < V; ++v) store(to + v * LANES, Type::pack(powers[0][v], powers[Type::PACK - 1][v]));
    }
}

// Items in blocks of two vectors of lanes; the last block may need only one.
inline int64_t block_count(int items) { return (items + 2 * LANES - 1) / (2 * LANES); }
inline bool is_narrow(int items, int start) { return items - start <= LANES; }
