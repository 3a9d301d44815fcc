// The weighted median of `coarse_to_fine/median.py`: of the flow around a pixel, by nearness and colour. Lanes are pixels
// beside each other.
//
// The median is the least of the neighbours' values below or at which half of the weight lies. It is looked for without
// sorting: the weight below each neighbour's value is a masked sum over all of them.

#pragma once

#include <algorithm>
#include <cstdint>

#include "product.h"

struct Median {
    const float* flow;
    const void* picture;    // uint8 or float32, frame 1
    const int64_t* pixels;  // row * width + column, ascending
    float* out;             // [x, y][pixel of the list]
    float colour;           // exponents of two: of a squared difference of colour, ...
    float nearness;         // ... of a squared distance in pixels
    int32_t height;
    int32_t width;
    int32_t flow_plane;     // values from one to the next
    int32_t flow_row;
    int32_t flow_column;
    int32_t picture_plane;
    int32_t picture_row;
    int32_t picture_column;
    int32_t eight_bit;      // what the picture is made of
    int32_t radius;         // neighbours to each side
    int32_t step;           // pixels between them
    int32_t out_plane;
};

struct MedianWork {
    static constexpr int TOGETHER = 5;  // neighbours whose weight is summed at the same time
    static constexpr int PLANES = 5;    // two of flow, three of colour

    const Median& x;
    const int side, count;  // neighbours in a row of them, and of a pixel in whole groups
    const int border, line; // pixels repeated at both ends of a row; values of a row with them
    const int ring;
    Scratch rows, values, weights, distances;
    int64_t* const there;  // which row is at hand

    explicit MedianWork(const Median& x)
        : x(x),
          side(2 * x.radius + 1),
          count((side * side + TOGETHER - 1) / TOGETHER * TOGETHER),
          border(x.radius * x.step),
          line(x.width + 2 * border + LANES),
          ring(2 * border + 1),
          rows(size_t(ring) * PLANES * line),
          values(size_t(2) * count * LANES),
          weights(size_t(count) * LANES),
          distances(size_t(side) * side),
          there(new int64_t[ring]) {
        std::fill_n(there, ring, int64_t(-1));
        for (int i = 0; i < side * side; ++i) {
            const int down = (i / side - x.radius) * x.step, right = (i % side - x.radius) * x.step;
            distances[i] = float(down * down + right * right) * x.nearness;
        }
        // What fills the last group has no weight, and no value that could be the least.
        for (int i = side * side; i < count; ++i) {
            store(weights + i * LANES, all(0.0f));
            for (int c = 0; c < 2; ++c) store(values + (c * count + i) * LANES, all(3e38f));
        }
    }
    ~MedianWork() { delete[] there; }
    MedianWork(const MedianWork&) = delete;

    template <class From>
    void fetch(const From* from, int64_t column, float* to) const {
        float* inner = to + border;
        if (column == 1)
            for (int i = 0; i < x.width; ++i) inner[i] = float(from[i]);
        else
            for (int i = 0; i < x.width; ++i) inner[i] = float(from[i * column]);
        std::fill_n(to, border, inner[0]);
        std::fill_n(inner + x.width, border + LANES, inner[x.width - 1]);
    }

    // A row with its border, of flow and picture; beyond the frame the nearest one.
    const float* at(int y) {
        y = std::min(std::max(y, 0), x.height - 1);
        float* to = rows + size_t(y % ring) * PLANES * line;
        if (there[y % ring] == y) return to;
        there[y % ring] = y;
        for (int c = 0; c < 2; ++c)
            fetch(x.flow + int64_t(c) * x.flow_plane + int64_t(y) * x.flow_row, x.flow_column, to + c * line);
        for (int c = 0; c < 3; ++c) {
            const int64_t start = int64_t(c) * x.picture_plane + int64_t(y) * x.picture_row;
            float* plane = to + (2 + c) * line;
            if (x.eight_bit)
                fetch(static_cast<const uint8_t*>(x.picture) + start, x.picture_column, plane);
            else
                fetch(static_cast<const float*>(x.picture) + start, x.picture_column, plane);
        }
        return to;
    }

    // Medians of a vector of pixels from one on.
    void filter(int y, int column, Vec (&medians)[2]) {
        const float* here = at(y) + border + column;
        const Vec red = load(here + 2 * line), green = load(here + 3 * line), blue = load(here + 4 * line);
        Vec total = all(0.0f);
        for (int i = 0; i < side; ++i) {
            const float* row = at(y + (i - x.radius) * x.step) + column;
            for (int j = 0; j < side; ++j) {
                const int n = i * side + j;
                const float* from = row + j * x.step;
                for (int c = 0; c < 2; ++c) store(values + (c * count + n) * LANES, load(from + c * line));
                const Vec r = load(from + 2 * line) - red, g = load(from + 3 * line) - green, b = load(from + 4 * line) - blue;
                const Vec difference = fma(r, r, fma(g, g, b * b));
                const Vec weight = power_of_two<5>(fma(difference, all(x.colour), all(distances[n])));
                store(weights + n * LANES, weight);
                total = total + weight;
            }
        }
        const Vec middle = all(0.5f) * total;
        for (int c = 0; c < 2; ++c) {
            const float* of = values + c * count * LANES;
            Vec least = all(__builtin_nanf(""));  // where most of the weight is on what is not a number
            for (int first = 0; first < count; first += TOGETHER) {
                Vec value[TOGETHER], mass[TOGETHER];
#pragma GCC unroll 5
                for (int k = 0; k < TOGETHER; ++k) value[k] = load(of + (first + k) * LANES), mass[k] = all(0.0f);
#pragma GCC unroll 1
                for (int n = 0; n < count; ++n) {
                    const Vec other = load(of + n * LANES), weight = load(weights + n * LANES);
#pragma GCC unroll 5
                    for (int k = 0; k < TOGETHER; ++k) mass[k] = mass[k] + where_not_above(other, value[k], weight);
                }
#pragma GCC unroll 5
                for (int k = 0; k < TOGETHER; ++k) least = smaller_where(middle, mass[k], value[k], least);
            }
            medians[c] = least;
        }
    }

    void run(int64_t first, int64_t last) {
        alignas(64) float lanes[2][LANES];
        while (first < last) {
            const int64_t start = x.pixels[first];
            const int y = int(start / x.width), column = int(start % x.width);
            const int64_t end = start + std::min(LANES, x.width - column);
            Vec medians[2];
            filter(y, column, medians);
            for (int c = 0; c < 2; ++c) store(lanes[c], medians[c]);
            for (; first < last && x.pixels[first] < end; ++first)
                for (int c = 0; c < 2; ++c) x.out[int64_t(c) * x.out_plane + first] = lanes[c][x.pixels[first] - start];
        }
    }
};
