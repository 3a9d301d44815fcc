// The variational refinement of `coarse_to_fine/variational.py`: the energy, the system and the solver that
// `coarse_to_fine/batched/variational.py` writes down, in one walk down the rows of a block.
//
// Relaxation in checkerboard order needs of a row the rows beside it only, so that all half sweeps of all iterations go
// down together, each a row behind the one before: half sweep j of iteration i works on row t - 2 sweeps i - j at step t.
// Every value is what whole sweeps one after the other would give, while only the rows under way are held.
//
// The two colours of a row lie apart: pixel k of colour c in row y is column 2 k + ((y + c) & 1). So its neighbours above
// and below are pixel k of the other colour there, those at its sides pixels k - 1 and k, or k and k + 1, of the other
// colour of the row.

#pragma once

#include <algorithm>
#include <cstdint>

#include "product.h"

struct Refine {
    const uint8_t* first;   // [row][column], frame 1 in grey
    const uint8_t* second;  // the same of frame 2
    const float* flow;      // [x, y][row][column]
    float* out;             // the same; the block of it is written
    float smoothness;       // weights of the energy's terms
    float brightness;
    float gradient;
    float epsilon;
    float zeta;
    float relaxation;
    int32_t height;
    int32_t width;
    int32_t top;     // the block
    int32_t bottom;
    int32_t left;
    int32_t right;
    int32_t reach;   // pixels around it that take part
    int32_t iterations;
    int32_t sweeps;  // of each iteration
};

struct RefineWork {
    // Derivatives of the frames, x and y from the mean of both, t from frame 1 to the warped frame 2; flow; what is
    // added to it.
    enum { X, Y, T, XX, XY, YY, XT, YT, U, V, DU, DV, PLANES };
    // Weight towards the pixels to the right and below; the system's element beside the diagonal, relaxation over both
    // on it, right sides.
    enum { W, UV, RU, RV, BU, BV, TERMS };
    static constexpr float LONGEST = 16777216.0f;  // float32 counts pixels no further

    const Refine& x;
    const int top, left, height, width;  // what takes part
    const int half;                      // pixels of one colour of a row, in whole vectors
    const int colour;                    // values of one colour of a row of a plane, with zeros before it
    const int held, ring;                // rows under way; rows of a system; powers of two
    Scratch rows, systems, nothing, inside, lines;

    explicit RefineWork(const Refine& x)
        : x(x),
          // From an even pixel on, so that the checkerboard is that of the whole frame.
          top(std::max(0, x.top - x.reach) / 2 * 2),
          left(std::max(0, x.left - x.reach) / 2 * 2),
          height(std::min(x.height, x.bottom + x.reach) - top),
          width(std::min(x.width, x.right + x.reach) - left),
          half(((width + 1) / 2 + LANES - 1) / LANES * LANES),
          colour(LANES + half),
          held(power(2 * x.sweeps * x.iterations + 4)),
          ring(power(2 * x.sweeps + 2)),
          // A value more is read at the end of a row: the next one's zeros.
          rows(size_t(held) * 2 * PLANES * colour + LANES),
          systems(size_t(x.iterations) * ring * 2 * TERMS * colour + LANES),
          nothing(size_t(PLANES) * colour + LANES),
          inside(size_t(2) * half),
          lines(size_t(4) * 4 * line() + 8 * line()) {
        std::fill_n(static_cast<float*>(rows), size_t(held) * 2 * PLANES * colour + LANES, 0.0f);
        std::fill_n(static_cast<float*>(systems), size_t(x.iterations) * ring * 2 * TERMS * colour + LANES, 0.0f);
        std::fill_n(static_cast<float*>(nothing), size_t(PLANES) * colour + LANES, 0.0f);
        // Where a pixel has one to its right.
        for (int parity = 0; parity < 2; ++parity)
            for (int k = 0; k < half; ++k) inside[parity * half + k] = 2 * k + parity < width - 1 ? 1.0f : 0.0f;
    }

    static int power(int least) {
        int value = 1;
        while (value < least) value *= 2;
        return value;
    }

    int line() const { return (width + 1 + LANES) / LANES * LANES; }

    // A plane's pixels of one colour of a row; zeros outside the frame.
    float* at(int plane, int y, int c) const {
        if (y < 0 || y >= height) return nothing + LANES;
        return rows + (size_t((y & (held - 1)) * 2 + c) * PLANES + plane) * colour + LANES;
    }

    float* term(int iteration, int plane, int y, int c) const {
        if (y < 0) return nothing + LANES;
        return systems + (size_t((iteration * ring + (y & (ring - 1))) * 2 + c) * TERMS + plane) * colour + LANES;
    }

    // Whole rows that derivatives are taken from: mean, t, and x and y of them.
    float* whole(int plane, int y) const { return lines + size_t((y & 3) * 4 + plane) * line(); }

    // Lay a row apart.
    void split(const float* __restrict from, int plane, int y) {
        const int even = y & 1;  // the colour of the even columns
        float *__restrict a = at(plane, y, even), *__restrict b = at(plane, y, 1 - even);
        const int pairs = width / 2;
        for (int k = 0; k < pairs; ++k) a[k] = from[2 * k], b[k] = from[2 * k + 1];
        if (width & 1) a[pairs] = from[width - 1];
    }

    static void differ(const float* __restrict after, const float* __restrict before, int count, float* __restrict to) {
        for (int i = 0; i < count; ++i) to[i] = after[i] - before[i];
    }

    void along(const float* __restrict from, float* __restrict to) {
        to[0] = from[1] - from[0];
        for (int i = 1; i < width - 1; ++i) to[i] = from[i + 1] - from[i - 1];
        to[width - 1] = from[width - 1] - from[width - 2];
    }

    static float bounded(float value, float least, float most) {  // NaN becomes the least
        const float below = value < most ? value : (value >= most ? most : least);
        return below > least ? below : least;
    }

    // Flow of a row, which nothing is added to yet.
    void open(int y) {
        const int64_t plane = int64_t(x.height) * x.width, start = int64_t(top + y) * x.width + left;
        float* clamped = lines + size_t(16) * line();
        for (int i = 0; i < 2; ++i) {
            const float* from = x.flow + i * plane + start;
            for (int column = 0; column < width; ++column) clamped[column] = bounded(from[column], -LONGEST, LONGEST);
            split(clamped, U + i, y);
            for (int c = 0; c < 2; ++c) std::fill_n(at(DU + i, y, c), half, 0.0f);
        }
    }

    // Warp frame 2, whose border is extended outwards: the mean of both frames, and t.
    void warp(int y) {
        const int64_t plane = int64_t(x.height) * x.width, start = int64_t(top + y) * x.width + left;
        const float *u = x.flow + start, *v = u + plane;
        const uint8_t* here = x.first + start;
        float *mean = whole(0, y), *t = whole(1, y);
        const float most_x = float(x.width - 1), most_y = float(x.height - 1);
        const int last_x = x.width - 2, last_y = x.height - 2;
        for (int column = 0; column < width; ++column) {
            const float px = bounded(float(left + column) + u[column], 0.0f, most_x);
            const float py = bounded(float(top + y) + v[column], 0.0f, most_y);
            const int i = std::min(int(px), last_x), j = std::min(int(py), last_y);
            const float fx = px - float(i), fy = py - float(j);
            const uint8_t* a = x.second + int64_t(j) * x.width + i;
            const uint8_t* b = a + x.width;
            const float above = float(a[0]) + fx * float(a[1] - a[0]), below = float(b[0]) + fx * float(b[1] - b[0]);
            const float warped = above + fy * (below - above), grey = float(here[column]);
            mean[column] = 0.5f * (grey + warped);
            t[column] = warped - grey;
        }
    }

    int kept(int y) const { return std::min(std::max(y, 0), height - 1); }

    // Derivatives along the axes of a row's mean.
    void derive(int y) {
        along(whole(0, y), whole(2, y));
        differ(whole(0, kept(y + 1)), whole(0, kept(y - 1)), width, whole(3, y));
    }

    void linearise(int y) {
        float* made = lines + size_t(17) * line();
        const int below = kept(y + 1), above = kept(y - 1);
        split(whole(2, y), X, y);
        split(whole(3, y), Y, y);
        split(whole(1, y), T, y);
        along(whole(2, y), made);
        split(made, XX, y);
        differ(whole(2, below), whole(2, above), width, made);
        split(made, XY, y);
        differ(whole(3, below), whole(3, above), width, made);
        split(made, YY, y);
        along(whole(1, y), made);
        split(made, XT, y);
        differ(whole(1, below), whole(1, above), width, made);
        split(made, YT, y);
    }

    // The system of one iteration at the pixels of one colour of a row: weights of both colours come first.
    void weigh(int iteration, int y, int c) {
        const int parity = (y + c) & 1;
        const float *u = at(U, y, c), *v = at(V, y, c), *du = at(DU, y, c), *dv = at(DV, y, c);
        const float *ur = at(U, y, 1 - c) + parity, *vr = at(V, y, 1 - c) + parity;
        const float *dur = at(DU, y, 1 - c) + parity, *dvr = at(DV, y, 1 - c) + parity;
        const float *ub = at(U, y + 1, 1 - c), *vb = at(V, y + 1, 1 - c);
        const float *dub = at(DU, y + 1, 1 - c), *dvb = at(DV, y + 1, 1 - c), *in = inside + parity * half;
        float* w = term(iteration, W, y, c);
        const Vec down = all(y + 1 < height ? 1.0f : 0.0f), epsilon = all(x.epsilon * x.epsilon);
        const Vec weight = all(x.smoothness / 2);
        for (int k = 0; k < half; k += LANES) {
            const Vec here_u = load(u + k) + load(du + k), here_v = load(v + k) + load(dv + k), right = load(in + k);
            const Vec ux = (load(ur + k) + load(dur + k) - here_u) * right;
            const Vec vx = (load(vr + k) + load(dvr + k) - here_v) * right;
            const Vec uy = (load(ub + k) + load(dub + k) - here_u) * down;
            const Vec vy = (load(vb + k) + load(dvb + k) - here_v) * down;
            store(w + k, weight * inverse_root(fma(ux, ux, fma(vx, vx, fma(uy, uy, fma(vy, vy, epsilon))))));
        }
    }

    void assemble(int iteration, int y, int c) {
        const int parity = (y + c) & 1, right = parity, left_ = parity - 1;
        const float* p[PLANES];
        for (int plane = 0; plane < PLANES; ++plane) p[plane] = at(plane, y, c);
        const float *u_beside = at(U, y, 1 - c), *v_beside = at(V, y, 1 - c);
        const float *u_above = at(U, y - 1, 1 - c), *v_above = at(V, y - 1, 1 - c);
        const float *u_below = at(U, y + 1, 1 - c), *v_below = at(V, y + 1, 1 - c);
        const float *w = term(iteration, W, y, c), *w_left = term(iteration, W, y, 1 - c) + left_;
        const float *w_above = term(iteration, W, y - 1, 1 - c), *in = inside + parity * half;
        float *uv_ = term(iteration, UV, y, c), *ru_ = term(iteration, RU, y, c), *rv_ = term(iteration, RV, y, c);
        float *bu_ = term(iteration, BU, y, c), *bv_ = term(iteration, BV, y, c);
        const Vec zeta = all(x.zeta * x.zeta), epsilon = all(x.epsilon * x.epsilon), zero = all(0.0f);
        const Vec brightness = all(x.brightness / 2), gradient = all(x.gradient / 2), down = all(y + 1 < height ? 1.0f : 0.0f);
        for (int k = 0; k < half; k += LANES) {
            const Vec du = load(p[DU] + k), dv = load(p[DV] + k);

            // Brightness constancy: slope of its penalty over its norm.
            const Vec ix = load(p[X] + k), iy = load(p[Y] + k), it = load(p[T] + k);
            const Vec over = inverse(fma(ix, ix, fma(iy, iy, zeta)));
            const Vec rest = fma(ix, du, fma(iy, dv, it));
            Vec slope = brightness * inverse_root(fma(rest * rest, over, epsilon)) * over;
            Vec uu = fma(ix * ix, slope, zeta), uv = ix * iy * slope, vv = fma(iy * iy, slope, zeta);
            Vec pull = it * slope;
            Vec bu = zero - ix * pull, bv = zero - iy * pull;

            // Gradient constancy: of both derivatives, under one penalty.
            const Vec xx = load(p[XX] + k), xy = load(p[XY] + k), yy = load(p[YY] + k);
            const Vec xt = load(p[XT] + k), yt = load(p[YT] + k);
            const Vec cross = fma(xy, xy, zeta), norm_x = fma(xx, xx, cross), norm_y = fma(yy, yy, cross);
            const Vec both = inverse(norm_x * norm_y), over_x = both * norm_y, over_y = both * norm_x;
            const Vec rest_x = fma(xx, du, fma(xy, dv, xt)), rest_y = fma(xy, du, fma(yy, dv, yt));
            slope = gradient * inverse_root(fma(rest_x * rest_x, over_x, fma(rest_y * rest_y, over_y, epsilon)));
            const Vec slope_x = slope * over_x, slope_y = slope * over_y;
            uu = fma(xx * xx, slope_x, fma(xy * xy, slope_y, uu));
            uv = fma(xx * xy, slope_x, fma(xy * yy, slope_y, uv));
            vv = fma(xy * xy, slope_x, fma(yy * yy, slope_y, vv));
            const Vec pull_x = slope_x * xt, pull_y = slope_y * yt;
            bu = bu - fma(xx, pull_x, xy * pull_y);
            bv = bv - fma(xy, pull_x, yy * pull_y);

            // Smoothness: it pulls at the given flow, what is added to it is what is solved for.
            const Vec weight = load(w + k), here = load(in + k);
            const Vec wr = weight * here, wb = weight * down, wl = load(w_left + k), wa = load(w_above + k);
            const Vec u = load(p[U] + k), v = load(p[V] + k), sum = (wr + wb) + (wl + wa);
            bu = fma(wr, load(u_beside + right + k) - u, fma(wb, load(u_below + k) - u, bu));
            bu = fma(wl, load(u_beside + left_ + k) - u, fma(wa, load(u_above + k) - u, bu));
            bv = fma(wr, load(v_beside + right + k) - v, fma(wb, load(v_below + k) - v, bv));
            bv = fma(wl, load(v_beside + left_ + k) - v, fma(wa, load(v_above + k) - v, bv));
            uu = uu + sum;
            vv = vv + sum;
            const Vec relaxed = all(x.relaxation) * inverse(uu * vv);
            store(uv_ + k, uv);
            store(ru_ + k, relaxed * vv);
            store(rv_ + k, relaxed * uu);
            store(bu_ + k, bu);
            store(bv_ + k, bv);
        }
        // Past the end of the row nothing may ever be added.
        for (int k = (width - parity + 1) / 2; k < half; ++k) ru_[k] = rv_[k] = 0.0f;
    }

    // Half a sweep over one row.
    void relax(int iteration, int y, int c) {
        const int parity = (y + c) & 1, right = parity, left_ = parity - 1;
        float *du = at(DU, y, c), *dv = at(DV, y, c);
        const float *u_beside = at(DU, y, 1 - c), *v_beside = at(DV, y, 1 - c);
        const float *u_above = at(DU, y - 1, 1 - c), *v_above = at(DV, y - 1, 1 - c);
        const float *u_below = at(DU, y + 1, 1 - c), *v_below = at(DV, y + 1, 1 - c);
        const float *w = term(iteration, W, y, c), *w_left = term(iteration, W, y, 1 - c) + left_;
        const float* w_above = term(iteration, W, y - 1, 1 - c);
        const float *uv = term(iteration, UV, y, c), *ru = term(iteration, RU, y, c), *rv = term(iteration, RV, y, c);
        const float *bu = term(iteration, BU, y, c), *bv = term(iteration, BV, y, c);
        const Vec kept = all(1.0f - x.relaxation);
        for (int k = 0; k < half; k += LANES) {
            const Vec weight = load(w + k), wl = load(w_left + k), wa = load(w_above + k), mixed = load(uv + k);
            const Vec v = load(dv + k);
            Vec sum_u = fma(weight, load(u_beside + right + k) + load(u_below + k), load(bu + k));
            sum_u = fma(wl, load(u_beside + left_ + k), fma(wa, load(u_above + k), sum_u));
            Vec sum_v = fma(weight, load(v_beside + right + k) + load(v_below + k), load(bv + k));
            sum_v = fma(wl, load(v_beside + left_ + k), fma(wa, load(v_above + k), sum_v));
            const Vec u = fma(load(ru + k), sum_u - mixed * v, kept * load(du + k));
            store(du + k, u);
            store(dv + k, fma(load(rv + k), sum_v - mixed * u, kept * v));
        }
    }

    void close(int y) {
        if (top + y < x.top || top + y >= x.bottom) return;
        const int64_t plane = int64_t(x.height) * x.width, start = int64_t(top + y) * x.width;
        const int even = y & 1;
        for (int i = 0; i < 2; ++i) {
            const float *a = at(DU + i, y, even), *b = at(DU + i, y, 1 - even), *from = x.flow + i * plane + start;
            float *to = x.out + i * plane + start, *whole = lines + size_t(16) * line();
            for (int k = 0; k < width / 2; ++k) whole[2 * k] = a[k], whole[2 * k + 1] = b[k];
            if (width & 1) whole[width - 1] = a[width / 2];
            for (int column = x.left; column < x.right; ++column) to[column] = from[column] + whole[column - left];
        }
    }

    void run() {
        const int lag = 2 * x.sweeps, last = height + lag * x.iterations;
        open(0);
        warp(0);
        if (height > 1) warp(1);
        derive(0);
        for (int t = 0; t < last; ++t) {
            if (t + 1 < height) open(t + 1);
            if (t + 2 < height) warp(t + 2);
            if (t + 1 < height) derive(t + 1);
            if (t < height) linearise(t);
            for (int i = 0; i < x.iterations; ++i) {
                const int y = t - i * lag;
                if (y >= 0 && y < height) {
                    for (int c = 0; c < 2; ++c) weigh(i, y, c);
                    for (int c = 0; c < 2; ++c) assemble(i, y, c);
                }
                for (int j = 0; j < lag; ++j)
                    if (y - j >= 0 && y - j < height) relax(i, y - j, j & 1);
            }
            const int done = t - lag * x.iterations + 1;
            if (done >= 0) close(done);
        }
    }
};
