// Decoder, points 4 and 5 of model/folded: pixels of a tile query the latents; an MLP turns what they
// gather into flow. Lanes are pixels.

#pragma once

#include "product.h"

struct Decode {
    const float* features;  // [tile][feature_step][row][column]; features come first
    const float* inverse;   // [tile][row][column]: one over LayerNorm's deviation
    const float* keys;      // panels of [tile]: latents x features
    const float* key_rows;  // [tile][row][latent]
    const float* key_columns;  // [tile][latent][column_step]
    const float* key_constants;  // [tile][latent]
    const float* values;    // panels of [tile]: channels x latents
    const float* first;     // panels: (channels + 2) x channels
    const float* first_bias;  // [channel]
    const float* second;      // [2][channel]
    const float* second_bias;  // [2]
    const float* rows;         // [row channel][row]
    const float* columns;      // [column channel][column_step]
    float* flow;               // [tile][2][row][column]
    float epsilon;
    int32_t feature_step;
    int32_t feature_count;
    int32_t row_channels;
    int32_t column_channels;
    int32_t latents;
    int32_t height;
    int32_t width;
    int32_t column_step;  // width, padded to whole blocks of lanes
    int32_t residual;
    int32_t exact_gelu;
    int32_t key_panel_rows;
    int32_t value_panel_rows;
    int32_t first_panel_rows;
};

// x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)): the tanh form of GELU, because (1 + tanh z) / 2 = sigmoid(2 z).
inline Vec gelu_tanh(Vec x) {
    constexpr float SLOPE = 2.302208198f;  // 2 sqrt(2/pi) log2(e)
    const Vec inner = x * fma(x * x, all(SLOPE * 0.044715f), all(SLOPE));
    return x / (all(1.0f) + power_of_two<5>(smaller(all(0.0f) - inner, all(126.0f))));
}

// x (1 + erf(x / sqrt 2)) / 2, with the error function of Abramowitz and Stegun, 7.1.26 (within 1.5e-7).
inline Vec gelu_erf(Vec x) {
    const Vec size = larger(x, all(0.0f) - x);
    const Vec t = all(1.0f) / fma(size, all(0.3275911f * 0.70710678f), all(1.0f));
    Vec y = fma(all(1.061405429f), t, all(-1.453152027f));
    y = fma(y, t, all(1.421413741f));
    y = fma(y, t, all(-0.284496736f));
    y = fma(y, t, all(0.254829592f));
    const Vec tail = y * t * power_of_two<5>(x * x * all(-0.72134752f));  // erfc(|x| / sqrt 2); log2(e) / 2
    return larger(x, all(0.0f)) - all(0.5f) * size * tail;
}

template <class Type>
struct DecodeWork {
    const Decode& x;
    int channels;
    Scratch features, scores, gathered;

    explicit DecodeWork(const Decode& x)
        : x(x),
          channels(x.feature_count + x.row_channels + x.column_channels),
          features(size_t(x.feature_count + 1) * 2 * LANES),
          scores(size_t(x.latents + 1) * 2 * LANES),
          gathered(size_t(channels + 1) * 2 * LANES) {}

    template <int V>
    void run(int tile, int row, int start) {
        constexpr int WIDTH = V * LANES;
        const int64_t plane = int64_t(x.height) * x.width, offset = int64_t(row) * x.width + start;
        const int lanes = x.width - start < WIDTH ? x.width - start : WIDTH;
        const float* from = x.features + tile * x.feature_step * plane + offset;
        for (int f = 0; f < x.feature_count; ++f)
            for (int lane = 0; lane < WIDTH; ++lane)
                features[f * WIDTH + lane] = lane < lanes ? from[f * plane + lane] : 0.0f;
        Vec factor[V];
        load_lanes<V>(x.inverse + tile * plane + offset, lanes, factor);
        gather<V>(tile, row, start, factor);
        if (x.residual) add_query<V>(row, start);
        Vec inverse[V], flow[2][V];
        normalise<V>(inverse);
        decode<V>(inverse, flow);
        for (int j = 0; j < 2; ++j) {
            alignas(64) float values[WIDTH];
            for (int v = 0; v < V; ++v) store(values + v * LANES, flow[j][v]);
            float* to = x.flow + (int64_t(tile) * 2 + j) * plane + offset;
            for (int lane = 0; lane < lanes; ++lane) to[lane] = values[lane];
        }
    }

    template <int V>
    static void load_lanes(const float* from, int lanes, Vec (&to)[V]) {
        alignas(64) float values[V * LANES] = {};
        for (int lane = 0; lane < lanes; ++lane) values[lane] = from[lane];
        for (int v = 0; v < V; ++v) to[v] = load(values + v * LANES);
    }

    // Attention: what each pixel reads from the latents, channels in the order features, row's, column's.
    template <int V>
    void gather(int tile, int row, int start, const Vec (&factor)[V]) {
        constexpr int WIDTH = V * LANES;
        // The packed features take the place that `gathered` needs only afterwards.
        pack_lanes<Type, V>(features, gathered, x.feature_count);
        const float* row_forms = x.key_rows + (int64_t(tile) * x.height + row) * x.latents;
        const float* column_forms = x.key_columns + int64_t(tile) * x.latents * x.column_step + start;
        const float* constants = x.key_constants + int64_t(tile) * x.latents;
        const Panels keys{x.keys, x.latents, x.key_panel_rows, pack_depth<Type>(x.feature_count)};
        Vec peak[V], sum[V];
        for (int v = 0; v < V; ++v) peak[v] = all(-3e38f), sum[v] = all(0.0f);
        multiply<Type, V>(keys.skip(tile * keys.number()), gathered, [&](int latent, const Vec(&form)[V]) {
            const Vec row_form = all(row_forms[latent]), constant = all(constants[latent]);
            const float* column_form = column_forms + int64_t(latent) * x.column_step;
            for (int v = 0; v < V; ++v) {
                const Vec score = fma(form[v] + row_form + load(column_form + v * LANES), factor[v], constant);
                store(scores + latent * WIDTH + v * LANES, score);
                peak[v] = larger(peak[v], score);
            }
        });
        take_powers<Type, V>(scores, x.latents, peak, [&](int, const Vec(&powers)[V]) {
            for (int v = 0; v < V; ++v) sum[v] = sum[v] + powers[v];
        });
        for (int v = 0; v < V; ++v) sum[v] = all(1.0f) / sum[v];
        const Panels values{x.values, channels, x.value_panel_rows, pack_depth<Type>(x.latents)};
        multiply<Type, V>(values.skip(tile * values.number()), scores, [&](int c, const Vec(&total)[V]) {
            for (int v = 0; v < V; ++v) store(gathered + c * WIDTH + v * LANES, total[v] * sum[v]);
        });
    }

    template <int V>
    void add_query(int row, int start) {
        constexpr int WIDTH = V * LANES;
        float* to = gathered;
        for (int i = 0; i < x.feature_count * WIDTH; ++i) to[i] += features[i];
        to += x.feature_count * WIDTH;
        for (int c = 0; c < x.row_channels; ++c, to += WIDTH)
            for (int v = 0; v < V; ++v)
                store(to + v * LANES, load(to + v * LANES) + all(x.rows[int64_t(c) * x.height + row]));
        for (int c = 0; c < x.column_channels; ++c, to += WIDTH)
            for (int v = 0; v < V; ++v)
                store(to + v * LANES,
                      load(to + v * LANES) + load(x.columns + int64_t(c) * x.column_step + start + v * LANES));
    }

    // One over the deviation of what was gathered, which becomes a right operand.
    template <int V>
    void normalise(Vec (&inverse)[V]) {
        constexpr int WIDTH = V * LANES;
        const Vec share = all(1.0f / channels);
        for (int v = 0; v < V; ++v) {
            Vec sum = all(0.0f), power = all(0.0f);
            for (int c = 0; c < channels; ++c) sum = sum + load(gathered + c * WIDTH + v * LANES);
            const Vec mean = sum * share;
            for (int c = 0; c < channels; ++c) {
                const Vec value = load(gathered + c * WIDTH + v * LANES) - mean;
                power = fma(value, value, power);
            }
            inverse[v] = all(1.0f) / root(power * share + all(x.epsilon));
        }
        pack_lanes<Type, V>(gathered, gathered, channels);
    }

    template <int V>
    void decode(const Vec (&inverse)[V], Vec (&flow)[2][V]) {
        for (int j = 0; j < 2; ++j)
            for (int v = 0; v < V; ++v) flow[j][v] = all(x.second_bias[j]);
        const Panels first{x.first, channels + 2, x.first_panel_rows, pack_depth<Type>(channels)};
        multiply<Type, V>(first, gathered, [&](int c, const Vec(&form)[V]) {
            if (c >= channels) {
                for (int v = 0; v < V; ++v) flow[c - channels][v] = flow[c - channels][v] + form[v];
                return;
            }
            for (int v = 0; v < V; ++v) {
                const Vec inner = fma(form[v], inverse[v], all(x.first_bias[c]));
                const Vec hidden = x.exact_gelu ? gelu_erf(inner) : gelu_tanh(inner);
                for (int j = 0; j < 2; ++j) flow[j][v] = fma(all(x.second[j * channels + c]), hidden, flow[j][v]);
            }
        });
    }
};
