// Encoder cross-attention, points 1 to 3 of model/folded: latents read all pixels of a tile. Lanes are latents.
//
// A strip of a few rows stays in the cache while all blocks of latents read it; what a block has summed up waits in its
// state meanwhile.

#pragma once

#include "product.h"

struct Encode {
    const float* features;   // [feature][latent_step]: the latents' constant forms
    const float* rows;       // [row][latent_step]
    const float* columns;    // [block][column][2 * LANES]
    const float* channels;   // [tile][features, mean, deviation][row][column]
    const float* inverse;    // [tile][row][column]: one over the deviation
    const float* logarithm;  // [tile][row][column]: its logarithm to base 2
    float* out;              // [tile][latent][features + 1 + height + width], over the sum of the weights
    int32_t latents;
    int32_t latent_step;  // latents, padded to whole blocks
    int32_t feature_count;
    int32_t height;
    int32_t width;
    int32_t pixel_rows;    // rows of panels of columns x features
    int32_t channel_rows;  // rows of panels of channels x columns
};

template <class Type>
struct EncodeWork {
    static constexpr int STRIP = 4;    // rows; of a tile of 496 columns they take 1 MiB
    static constexpr int64_t MOST = 64;  // blocks whose states are kept, each of some 0.2 MiB for such a tile
    static constexpr int STEP = 2 * LANES;  // also between rows of a narrow block's state

    const Encode& x;
    const int channel_count;
    const int64_t peak_at, total_at, column_at, row_at, state_size;
    const int64_t pixel_size, channel_size;  // of a row's panels
    Scratch forms, scores, states, pixels, channels;

    EncodeWork(const Encode& x, int64_t blocks)
        : x(x),
          channel_count(x.feature_count + 2),
          peak_at(0),
          total_at(STEP),
          column_at(total_at + channel_count * STEP),
          row_at(column_at + x.width * STEP),
          state_size(row_at + 2 * x.height * STEP),  // of each row, its sums and the peak they refer to
          pixel_size(pad(x.width, x.pixel_rows) * pack_depth<Type>(x.feature_count)),
          channel_size(pad(channel_count, x.channel_rows) * pack_depth<Type>(x.width)),
          forms(size_t(x.feature_count + 1) * STEP),
          scores(size_t(x.width + 1) * STEP),
          states(size_t(blocks) * state_size),
          pixels(size_t(STRIP) * pixel_size),
          channels(size_t(STRIP) * channel_size) {}

    static int64_t pad(int count, int rows) { return int64_t(count + rows - 1) / rows * rows; }

    // Runs `count` blocks of one tile from block `first` on.
    void run(int tile, int first, int count) {
        for (int64_t i = 0; i < count * state_size; ++i) states[i] = 0.0f;
        for (int block = 0; block < count; ++block)
            for (int lane = 0; lane < STEP; ++lane) states[block * state_size + peak_at + lane] = -3e38f;
        for (int row = 0; row < x.height; row += STRIP) {
            const int end = row + STRIP < x.height ? row + STRIP : x.height;
            pack(tile, row, end);
            for (int block = 0; block < count; ++block) {
                float* state = states + block * state_size;
                const int start = (first + block) * STEP;
                is_narrow(x.latents, start) ? add<1>(tile, start, row, end, state) : add<2>(tile, start, row, end, state);
            }
        }
        for (int block = 0; block < count; ++block) finish(tile, (first + block) * STEP, states + block * state_size);
    }

    void pack(int tile, int row, int end) {
        const int64_t plane = int64_t(x.height) * x.width;
        const float* from = x.channels + tile * channel_count * plane + int64_t(row) * x.width;
        for (int i = 0; row < end; ++row, ++i, from += x.width) {
            const auto pixel = [=](int column, int channel) { return from[channel * plane + column]; };
            const auto channel = [=](int channel, int column) { return from[channel * plane + column]; };
            pack_panels<Type>(pixels + i * pixel_size, x.width, x.pixel_rows, x.feature_count, pixel);
            pack_panels<Type>(channels + i * channel_size, channel_count, x.channel_rows, x.width, channel);
        }
    }

    template <int V>
    void add(int tile, int start, int row, int end, float* state) {
        constexpr int WIDTH = V * LANES;
        for (int f = 0; f < x.feature_count; ++f)
            for (int v = 0; v < V; ++v)
                store(forms + f * WIDTH + v * LANES, load(x.features + int64_t(f) * x.latent_step + start + v * LANES));
        pack_lanes<Type, V>(forms, forms, x.feature_count);
        Vec peak[V];
        for (int v = 0; v < V; ++v) peak[v] = load(state + peak_at + v * LANES);
        for (int i = 0; row < end; ++row, ++i) add_row<V>(tile, start, row, i, peak, state);
        for (int v = 0; v < V; ++v) store(state + peak_at + v * LANES, peak[v]);
    }

    template <int V>
    void add_row(int tile, int start, int row, int in_strip, Vec (&peak)[V], float* state) {
        constexpr int WIDTH = V * LANES;
        const int64_t index = int64_t(tile) * x.height + row;
        const float* inverse = x.inverse + index * x.width;
        const float* logarithm = x.logarithm + index * x.width;
        const float* column_forms = x.columns + int64_t(start) * x.width;
        const Panels columns{pixels + in_strip * pixel_size, x.width, x.pixel_rows, pack_depth<Type>(x.feature_count)};
        Vec row_form[V], higher[V], fade[V], sum[V];
        for (int v = 0; v < V; ++v) {
            row_form[v] = load(x.rows + int64_t(row) * x.latent_step + start + v * LANES);
            higher[v] = peak[v];
        }
        multiply<Type, V>(columns, forms, [&](int column, const Vec(&form)[V]) {
            const Vec factor = all(inverse[column]), shift = all(logarithm[column]);
            for (int v = 0; v < V; ++v) {
                const Vec column_form = load(column_forms + column * STEP + v * LANES);
                const Vec score = fma(form[v] + row_form[v] + column_form, factor, shift);
                store(scores + column * WIDTH + v * LANES, score);
                higher[v] = larger(higher[v], score);
            }
        });
        float* row_state = state + row_at + 2 * row * STEP;
        for (int v = 0; v < V; ++v) {
            fade[v] = power_of_two<5>(peak[v] - higher[v]);
            sum[v] = all(0.0f);
            peak[v] = higher[v];
            store(row_state + STEP + v * LANES, higher[v]);
        }
        float* column_sums = state + column_at;
        take_powers<Type, V>(scores, x.width, peak, [&](int column, const Vec(&weights)[V]) {
            for (int v = 0; v < V; ++v) {
                float* sums = column_sums + column * STEP + v * LANES;
                store(sums, fma(load(sums), fade[v], weights[v]));
                sum[v] = sum[v] + weights[v];
            }
        });
        for (int v = 0; v < V; ++v) store(row_state + v * LANES, sum[v]);
        float* totals = state + total_at;
        const Panels rows{channels + in_strip * channel_size, channel_count, x.channel_rows, pack_depth<Type>(x.width)};
        multiply<Type, V>(rows, scores, [&](int c, const Vec(&part)[V]) {
            for (int v = 0; v < V; ++v) {
                float* total = totals + c * STEP + v * LANES;
                store(total, fma(load(total), fade[v], part[v]));
            }
        });
    }

    void finish(int tile, int start, float* state) {
        const int lanes = x.latents - start < STEP ? x.latents - start : STEP;
        for (int row = 0; row < x.height; ++row)
            for (int v = 0; v < 2; ++v) {
                float* sums = state + row_at + 2 * row * STEP + v * LANES;
                store(sums, load(sums) * power_of_two<5>(load(sums + STEP) - load(state + peak_at + v * LANES)));
            }
        const int length = x.feature_count + 1 + x.height + x.width;
        for (int lane = 0; lane < lanes; ++lane) {
            float* out = x.out + (int64_t(tile) * x.latents + start + lane) * length;
            const float* totals = state + total_at + lane;
            const float scale = 1.0f / totals[(channel_count - 1) * STEP];
            for (int i = 0; i <= x.feature_count; ++i) *out++ = totals[i * STEP] * scale;
            for (int i = 0; i < x.height; ++i) *out++ = state[row_at + 2 * i * STEP + lane] * scale;
            for (int i = 0; i < x.width; ++i) *out++ = state[column_at + i * STEP + lane] * scale;
        }
    }
};
