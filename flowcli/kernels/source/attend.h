// Self-attention of the latents: for each head, softmax(q . k) v over all latents. Lanes are queries.

#pragma once

#include "product.h"

struct Attend {
    const float* inner;  // [tile][latent][queries, keys, values][head][channel]
    float* out;          // [tile][latent][head][channel]
    float scale;         // on the queries; scores are exponents of two
    int32_t heads;
    int32_t latents;
    int32_t channels;
    int32_t key_rows;    // rows of panels of latents x channels
    int32_t value_rows;  // rows of panels of channels x latents
};

template <class Type>
struct AttendWork {
    const Attend& x;
    const int width;  // of one of queries, keys and values of a latent
    int packed;       // the head whose keys and values are at hand
    Scratch keys, values, queries, scores, gathered;

    explicit AttendWork(const Attend& x)
        : x(x),
          width(x.heads * x.channels),
          packed(-1),
          keys(size_t(x.latents + x.key_rows) * pack_depth<Type>(x.channels)),
          values(size_t(x.channels + x.value_rows) * pack_depth<Type>(x.latents)),
          queries(size_t(x.channels + 1) * 2 * LANES),
          scores(size_t(x.latents + 1) * 2 * LANES),
          gathered(size_t(x.channels) * 2 * LANES) {}

    const float* find(int head, int part) const {
        return x.inner + int64_t(head / x.heads) * x.latents * 3 * width + part * width + head % x.heads * x.channels;
    }

    void pack(int head) {
        const float *key = find(head, 1), *value = find(head, 2);
        const int64_t step = 3 * width;
        pack_panels<Type>(keys, x.latents, x.key_rows, x.channels, [=](int n, int c) { return key[n * step + c]; });
        pack_panels<Type>(values, x.channels, x.value_rows, x.latents, [=](int c, int n) { return value[n * step + c]; });
        packed = head;
    }

    // `head` counts over all tiles.
    template <int V>
    void run(int head, int start) {
        constexpr int WIDTH = V * LANES;
        if (head != packed) pack(head);
        const int lanes = x.latents - start < WIDTH ? x.latents - start : WIDTH;
        const float* query = find(head, 0) + int64_t(start) * 3 * width;
        for (int lane = 0; lane < WIDTH; ++lane)
            for (int c = 0; c < x.channels; ++c)
                queries[c * WIDTH + lane] = lane < lanes ? query[int64_t(lane) * 3 * width + c] * x.scale : 0.0f;
        pack_lanes<Type, V>(queries, queries, x.channels);

        Vec peak[V], sum[V];
        for (int v = 0; v < V; ++v) peak[v] = all(-3e38f), sum[v] = all(0.0f);
        const Panels rows{keys, x.latents, x.key_rows, pack_depth<Type>(x.channels)};
        multiply<Type, V>(rows, queries, [&](int key, const Vec(&score)[V]) {
            for (int v = 0; v < V; ++v) {
                store(scores + key * WIDTH + v * LANES, score[v]);
                peak[v] = larger(peak[v], score[v]);
            }
        });
        take_powers<Type, V>(scores, x.latents, peak, [&](int, const Vec(&powers)[V]) {
            for (int v = 0; v < V; ++v) sum[v] = sum[v] + powers[v];
        });
        for (int v = 0; v < V; ++v) sum[v] = all(1.0f) / sum[v];
        const Panels columns{values, x.channels, x.value_rows, pack_depth<Type>(x.latents)};
        multiply<Type, V>(columns, scores, [&](int c, const Vec(&total)[V]) {
            for (int v = 0; v < V; ++v) store(gathered + c * WIDTH + v * LANES, total[v] * sum[v]);
        });
        const int64_t tile = head / x.heads;
        float* out = x.out + (tile * x.latents + start) * width + head % x.heads * x.channels;
        for (int lane = 0; lane < lanes; ++lane)
            for (int c = 0; c < x.channels; ++c)
                out[int64_t(lane) * width + c] = gathered[c * WIDTH + lane];
    }
};
