// The exhaustive match of `coarse_to_fine/match.py`: costs, four paths and the best displacement, to the bit.
//
// Displacements of a pixel lie in a row of memory, each line of them followed by one that does not exist, so that a
// neighbour is a fixed step away. Only what the path from above needs of the frame is kept, and what the path from below
// needs afterwards: the costs, and the sum of the other three paths.

#pragma once

#include <algorithm>
#include <climits>
#include <cstdint>

// Whole numbers of 16 bits on the heap; std::bad_alloc where memory is short.
struct Shorts {
    int16_t* data;
    explicit Shorts(size_t count) : data(new int16_t[count]) {}
    Shorts(const Shorts&) = delete;
    ~Shorts() { delete[] data; }
    operator int16_t*() const { return data; }
};

struct Match {
    const int16_t* first;   // [pair][3][row][column], frame 1 described
    const int16_t* second;  // the same of frame 2
    float* flow;            // [pair][x, y][row][column]
    int32_t height;
    int32_t width;
    int32_t down;   // longest displacement
    int32_t right;
    int32_t clip;   // most that a channel's difference counts
    int32_t near;   // cost of a step to the neighbouring displacement, for nine pixels
    int32_t far;    // cost of any other
};

struct MatchWork {
    static constexpr int16_t NOWHERE = 16000;  // cost of displacements that do not exist

    const Match& x;
    const int lines, line;  // displacements down and right; `line` counts the one that does not exist
    const int count;        // of a pixel
    const int padded;       // a pixel's path: with a line that does not exist on both sides
    const int64_t row;      // values of a row of pixels
    Shorts costs, total, window, across, paths, path, arriving;

    explicit MatchWork(const Match& x)
        : x(x),
          lines(2 * x.down + 1),
          line(2 * x.right + 2),
          count(lines * line),
          padded(count + 2 * line),
          row(int64_t(x.width) * count),
          costs(row * x.height),
          total(row * x.height),
          window(size_t(3) * (x.width + 2 * x.right)),
          across(row * 3),
          paths(size_t(x.width) * padded),
          path(size_t(2) * padded),
          arriving(count) {}

    // Add what is clipped of the three channels' differences, for all displacements of one row of frame 1.
    void compare(const int16_t* first, const int16_t* second, int y, int16_t* out) {
        const int64_t plane = int64_t(x.height) * x.width;
        const int16_t unknown = int16_t(3 * x.clip / 2), clip = int16_t(x.clip);
        const int wide = x.width + 2 * x.right;
        for (int dy = 0; dy < lines; ++dy) {
            const int other = y + dy - x.down;
            const bool outside = other < 0 || other >= x.height;
            if (!outside)
                for (int c = 0; c < 3; ++c) {
                    int16_t* to = window + c * wide;
                    std::fill(to, to + wide, int16_t(0));
                    std::copy_n(second + c * plane + int64_t(other) * x.width, x.width, to + x.right);
                }
            for (int column = 0; column < x.width; ++column) {
                int16_t* to = out + int64_t(column) * count + dy * line;
                if (outside) {
                    std::fill(to, to + line - 1, unknown);
                } else {
                    const int16_t *a = window + column, *b = a + wide, *c = b + wide;
                    const int16_t* here = first + int64_t(y) * x.width + column;
                    const int16_t p = here[0], q = here[plane], r = here[2 * plane];
                    for (int d = 0; d < line - 1; ++d)
                        to[d] = int16_t(clipped(a[d], p, clip) + clipped(b[d], q, clip) + clipped(c[d], r, clip));
                    // What leaves the frame at its sides.
                    for (int d = 0; d < x.right - column; ++d) to[d] = unknown;
                    for (int d = std::max(0, x.width - column + x.right); d < line - 1; ++d) to[d] = unknown;
                }
                to[line - 1] = NOWHERE / 9;
            }
        }
    }

    static int16_t clipped(int16_t moved, int16_t fixed, int16_t clip) {
        const int16_t difference = int16_t(moved - fixed);
        const int16_t length = int16_t(difference < 0 ? -difference : difference);
        return length < clip ? length : clip;
    }

    // Add three neighbouring columns; the first and the last count twice at the border.
    void add_across(const int16_t* __restrict from, int16_t* __restrict to) {
        for (int column = 0; column < x.width; ++column) {
            const int16_t* here = from + int64_t(column) * count;
            const int16_t* left = column > 0 ? here - count : here;
            const int16_t* right = column + 1 < x.width ? here + count : here;
            int16_t* sum = to + int64_t(column) * count;
            for (int d = 0; d < count; ++d) sum[d] = int16_t(left[d] + here[d] + right[d]);
        }
    }

    // Go on by a pixel: what each displacement costs on the path to it, less the least of the pixel before.
    // `before` and `after` point at the first displacement; returns the least afterwards.
    int16_t step(const int16_t* __restrict before, int16_t least, const int16_t* __restrict here, int16_t* __restrict after) {
        const int16_t near = int16_t(x.near), jump = int16_t(least + x.far);
        int16_t lowest = SHRT_MAX;
        for (int d = 0; d < count; ++d) {
            const int16_t beside = std::min(before[d - 1], before[d + 1]);
            const int16_t around = std::min(before[d - line], before[d + line]);
            const int16_t stepped = int16_t(std::min(beside, around) + near);
            const int16_t cheapest = std::min(std::min(before[d], jump), stepped);
            const int16_t cost = int16_t(here[d] + (cheapest - least));
            after[d] = cost;
            lowest = std::min(lowest, cost);
        }
        for (int y = 1; y <= lines; ++y) after[y * line - 1] = NOWHERE;
        return lowest;
    }

    int16_t start(const int16_t* here, int16_t* after) {
        std::copy_n(here, count, after);
        for (int y = 1; y <= lines; ++y) after[y * line - 1] = NOWHERE;
        return *std::min_element(after, after + count);
    }

    void add(const int16_t* __restrict from, int16_t* __restrict to) {
        for (int d = 0; d < count; ++d) to[d] = int16_t(to[d] + from[d]);
    }

    // Both paths along one row: the first of all, so that the sum begins here.
    void go_along(const int16_t* costs, int16_t* total) {
        int16_t *one = path + line, *other = one + padded;
        for (int backwards = 0; backwards < 2; ++backwards) {
            int16_t least = 0;
            for (int i = 0; i < x.width; ++i) {
                const int64_t place = int64_t(backwards ? x.width - 1 - i : i) * count;
                least = i ? step(one, least, costs + place, other) : start(costs + place, other);
                backwards ? add(other, total + place) : (void)std::copy_n(other, count, total + place);
                std::swap(one, other);
            }
        }
    }

    void go_down(const int16_t* costs, int16_t* total, int16_t* least, bool first) {
        for (int column = 0; column < x.width; ++column) {
            int16_t* here = paths + int64_t(column) * padded + line;
            const int64_t place = int64_t(column) * count;
            least[column] = first ? start(costs + place, arriving) : step(here, least[column], costs + place, arriving);
            std::copy_n(static_cast<int16_t*>(arriving), count, here);
            add(here, total + place);
        }
    }

    // Least cost of a pixel, with the vertex of a parabola through its neighbours.
    void choose(const int16_t* costs, float* u, float* v) {
        int16_t least = SHRT_MAX;
        int y = 0;
        for (int other = 0; other < lines; ++other) {
            int16_t lowest = SHRT_MAX;
            for (int d = 0; d < line - 1; ++d) lowest = std::min(lowest, costs[other * line + d]);
            if (lowest < least) least = lowest, y = other;
        }
        const int16_t* found = costs + y * line;
        const int column = int(std::find(found, found + line, least) - found), best = y * line + column;
        *u = vertex(costs + best, column, line - 1, 1) - float(x.right);
        *v = vertex(costs + best, y, lines, line) - float(x.down);
    }

    static float vertex(const int16_t* best, int position, int count, int step) {
        if (position <= 0 || position >= count - 1) return float(position);
        const float low = best[-step], high = best[step], centre = best[0];
        const float curvature = low + high - 2 * centre;
        return float(position) + (low - high) / std::max(2 * curvature, 1.0f);
    }

    void run(int64_t pair) {
        const int64_t plane = int64_t(x.height) * x.width;
        const int16_t *first = x.first + pair * 3 * plane, *second = x.second + pair * 3 * plane;
        float* flow = x.flow + pair * 2 * plane;
        Shorts least(x.width), raw(row);
        for (int64_t i = 0; i < int64_t(x.width) * padded; ++i) paths[i] = NOWHERE;
        for (int i = 0; i < 2 * padded; ++i) path[i] = NOWHERE;
        for (int y = 0; y <= x.height; ++y) {  // the row above `y` is complete
            if (y < x.height) {
                compare(first, second, y, raw);
                add_across(raw, across + y % 3 * row);
            }
            if (y == 0) continue;
            const int here = y - 1, above = std::max(here - 1, 0), below = std::min(here + 1, x.height - 1);
            const int16_t *a = across + above % 3 * row, *b = across + here % 3 * row, *c = across + below % 3 * row;
            int16_t *cost = costs + here * row, *sum = total + here * row;
            for (int64_t i = 0; i < row; ++i) cost[i] = int16_t(a[i] + b[i] + c[i]);
            go_along(cost, sum);
            go_down(cost, sum, least, here == 0);
        }
        for (int y = x.height - 1; y >= 0; --y) {
            go_down(costs + y * row, total + y * row, least, y == x.height - 1);
            for (int column = 0; column < x.width; ++column) {
                float* to = flow + int64_t(y) * x.width + column;
                choose(total + y * row + int64_t(column) * count, to, to + plane);
            }
        }
    }
};
