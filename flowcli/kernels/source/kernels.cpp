// What Python calls (library.py): each function works through some of the tasks of a stage, on the calling thread.
//
// Returns 0; 1 where memory is short; 2 if `half` asks for bfloat16 operands and this build is for a processor without.

#include <new>

#include "attend.h"
#include "encoder.h"
#include "decoder.h"
#include "match.h"
#include "median.h"
#include "refine.h"

namespace {

template <class Type>
void attend(const Attend& x, int64_t first, int64_t last) {
    AttendWork<Type> work(x);
    const int64_t blocks = block_count(x.latents);
    for (int64_t task = first; task < last; ++task) {
        const int head = int(task / blocks), start = int(task % blocks) * 2 * LANES;
        is_narrow(x.latents, start) ? work.template run<1>(head, start) : work.template run<2>(head, start);
    }
}

template <class Type>
void encode(const Encode& x, int64_t first, int64_t last) {
    const int64_t blocks = block_count(x.latents), most = EncodeWork<Type>::MOST;
    EncodeWork<Type> work(x, blocks < most ? blocks : most);
    for (int64_t task = first; task < last;) {
        const int64_t tile = task / blocks, end = last < (tile + 1) * blocks ? last : (tile + 1) * blocks;
        const int64_t count = end - task < most ? end - task : most;
        work.run(int(tile), int(task % blocks), int(count));
        task += count;
    }
}

template <class Type>
void decode(const Decode& x, int64_t first, int64_t last) {
    DecodeWork<Type> work(x);
    for (int64_t task = first; task < last; ++task) {
        const int tile = int(task / x.height), row = int(task % x.height);
        for (int start = 0; start < x.width; start += 2 * LANES)
            is_narrow(x.width, start) ? work.template run<1>(tile, row, start) : work.template run<2>(tile, row, start);
    }
}

void match(const Match& x, int64_t first, int64_t last) {
    MatchWork work(x);
    for (int64_t pair = first; pair < last; ++pair) work.run(pair);
}

void median(const Median& x, int64_t first, int64_t last) {
    MedianWork work(x);
    work.run(first, last);
}

void refine(const Refine& x) {
    RefineWork work(x);
    work.run();
}

template <class Run>
int report(Run&& run) {
    try {
        run();
    } catch (const std::bad_alloc&) {
        return 1;
    }
    return 0;
}

}  // namespace

#if defined(__AVX512BF16__)
#define HALF 1
#define DISPATCH(function) \
    return report([=] { half ? function<Half>(*x, first, last) : function<Single>(*x, first, last); })
#else
#define HALF 0
#define DISPATCH(function) return half ? 2 : report([=] { function<Single>(*x, first, last); })
#endif

#define PUBLIC __attribute__((visibility("default")))

extern "C" {

// Rows that a panel may have at most, lanes of a vector, whether there are bfloat16 operands.
PUBLIC int flowcli_rows() { return ROWS; }
PUBLIC int flowcli_lanes() { return LANES; }
PUBLIC int flowcli_half() { return HALF; }

// Tasks: heads of all tiles times blocks of latents.
PUBLIC int flowcli_attend(const Attend* x, int half, int64_t first, int64_t last) { DISPATCH(attend); }

// Tasks: tiles times blocks of latents.
PUBLIC int flowcli_encode(const Encode* x, int half, int64_t first, int64_t last) { DISPATCH(encode); }

// Tasks: tiles times rows.
PUBLIC int flowcli_decode(const Decode* x, int half, int64_t first, int64_t last) { DISPATCH(decode); }

// Tasks: pairs of frames.
PUBLIC int flowcli_match(const Match* x, int, int64_t first, int64_t last) {
    return report([=] { match(*x, first, last); });
}

// Tasks: pixels of the list.
PUBLIC int flowcli_median(const Median* x, int, int64_t first, int64_t last) {
    return report([=] { median(*x, first, last); });
}

// One task: a block of a flow.
PUBLIC int flowcli_refine(const Refine* x, int, int64_t, int64_t) {
    return report([=] { refine(*x); });
}
}
