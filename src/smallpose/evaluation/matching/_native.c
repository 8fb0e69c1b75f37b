/* The slow loops of an evaluation. native.py names the module of each NumPy fallback, which gives
 * the same numbers to the last bit.
 *
 * Arrays come as contiguous buffers whose types native.py ensures; a length is an argument where it
 * does not follow from a buffer. All release the interpreter lock, so ranges can run in threads.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TINY 2.220446049250313e-16 /* np.spacing(1.0) */

/* Vector instructions of the processor at hand, where the compiler can choose them at run time. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

/* The arrays of a loop are different ones. */
#if defined(__GNUC__) && !defined(__clang__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

static void release(Py_buffer *buffers, int n) {
    for (int i = 0; i < n; i++) PyBuffer_Release(&buffers[i]);
}

/* numpy's order of summation: eight running sums, added in pairs, then the rest; halves above
 * 128 values. Only this order gives pycocotools' last bit. */
static double sum_pairwise(const double *a, Py_ssize_t n) {
    if (n < 8) {
        double sum = 0.0;
        for (Py_ssize_t i = 0; i < n; i++) sum += a[i];
        return sum;
    }
    if (n <= 128) {
        double r[8];
        Py_ssize_t i;
        for (int j = 0; j < 8; j++) r[j] = a[j];
        for (i = 8; i < n - n % 8; i += 8)
            for (int j = 0; j < 8; j++) r[j] += a[i + j];
        double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        for (; i < n; i++) sum += a[i];
        return sum;
    }
    Py_ssize_t half = n / 2;
    half -= half % 8;
    return sum_pairwise(a, half) + sum_pairwise(a + half, n - half);
}

/* Keypoints of people: x, y, v as doubles, or as integers where `visibility` is not NULL; see
 * core/packed_keypoints.py. */
typedef struct {
    const double *points;      /* (n, k, 3) */
    const int32_t *positions;  /* (n, k, 2) */
    const uint8_t *visibility; /* (n, k) */
} Keypoints;

#define UNITS_PER_PIXEL 10000.0
#define LINE_BYTES 64 /* of memory that are read together */

/* Take a buffer that is doubles, or integers where there is a buffer of v. */
static Keypoints take_keypoints(const Py_buffer *points, const Py_buffer *visibility) {
    Keypoints keypoints = {points->buf, points->buf, visibility->len ? visibility->buf : NULL};
    return keypoints;
}

/* Read joint j of all joints of all people; 0 where it is not labelled. */
static inline int read_joint(const Keypoints *keypoints, Py_ssize_t j, double *x, double *y) {
    if (keypoints->visibility) {
        *x = keypoints->positions[2 * j] / UNITS_PER_PIXEL;
        *y = keypoints->positions[2 * j + 1] / UNITS_PER_PIXEL;
        return keypoints->visibility[j] > 0;
    }
    *x = keypoints->points[3 * j];
    *y = keypoints->points[3 * j + 1];
    return keypoints->points[3 * j + 2] > 0;
}

/* Read a byte of each line of memory that `pack_people` reads of some people, who are anywhere in
 * it: these reads do not wait for each other, as those of packing would. */
static uint8_t touch_people(const Keypoints *keypoints, const double *area, const Py_ssize_t *rows,
                            Py_ssize_t g, Py_ssize_t k) {
    Py_ssize_t size = k * (Py_ssize_t)(keypoints->visibility ? 2 * sizeof(int32_t) : 3 * sizeof(double));
    uint8_t sum = 0;
    for (Py_ssize_t i = 0; i < g && size; i++) {
        const uint8_t *first = (const uint8_t *)keypoints->points + rows[i] * size;
        for (Py_ssize_t at = 0; at < size; at += LINE_BYTES) sum += first[at];
        sum += first[size - 1];
        if (keypoints->visibility)
            sum += keypoints->visibility[rows[i] * k] + keypoints->visibility[rows[i] * k + k - 1];
        sum += *(const uint8_t *)(area + rows[i]);
    }
    return sum;
}

#define WIDTH 8 /* joints that are compared side by side */

/* The people of one image, and a detection, packed for their comparison. Rows of joints are as wide
 * as a multiple of WIDTH; joints that are not labelled have a factor of 0. */
typedef struct {
    Py_ssize_t capacity, k, width;
    double *x, *y, *factor; /* (g, width) */
    double *low_x, *low_y, *high_x, *high_y, *scale, *max_gap2; /* (g,) */
    double *variance, *inverse;             /* (width,) of each joint */
    double *pose_x, *pose_y;                /* (width,) the detection */
    double *positions;                      /* (2 width,) room */
    int64_t *is_far;                        /* (g,) too far from the detection for any joint */
    int *count;                             /* (g,) labelled joints */
    uint8_t *is_labelled;                   /* (g, width) which ones */
} People;

static void free_people(People *s) {
    free(s->x);
    free(s->is_far);
    free(s->count);
    free(s->is_labelled);
}

/* Make room for g people of k joints; return -1 without memory. */
static int reserve_people(People *s, Py_ssize_t g, Py_ssize_t k, const double *variances) {
    if (g <= s->capacity) return 0;
    free_people(s);
    size_t n = (size_t)g, width = ((size_t)k + WIDTH - 1) / WIDTH * WIDTH, block = n * width;
    s->x = malloc((3 * block + 6 * n + 6 * width) * sizeof(double));
    s->is_far = malloc(n * sizeof(int64_t));
    s->count = malloc(n * sizeof(int));
    s->is_labelled = malloc(block);
    if (!s->x || !s->is_far || !s->count || !s->is_labelled) return -1;
    s->capacity = g;
    s->k = k;
    s->width = (Py_ssize_t)width;
    s->y = s->x + block;
    s->factor = s->y + block;
    s->low_x = s->factor + block;
    s->low_y = s->low_x + n;
    s->high_x = s->low_y + n;
    s->high_y = s->high_x + n;
    s->scale = s->high_y + n;
    s->max_gap2 = s->scale + n;
    s->variance = s->max_gap2 + n;
    s->inverse = s->variance + width;
    s->pose_x = s->inverse + width;
    s->pose_y = s->pose_x + width;
    s->positions = s->pose_y + width;
    for (size_t j = 0; j < width; j++) {
        s->variance[j] = j < (size_t)k ? variances[j] : 1.0;
        s->inverse[j] = 1.0 / s->variance[j];
        s->pose_x[j] = s->pose_y[j] = 0.0;
    }
    return 0;
}

typedef struct {
    double low_x, low_y, high_x, high_y;
} Extent;

/* Write the joints of person i, of doubles; return where the labelled ones are. */
static Extent pack_doubles(People *s, Py_ssize_t i, const double *points) {
    double *x = s->x + i * s->width, *y = s->y + i * s->width, *factor = s->factor + i * s->width;
    double inverse_scale = 0.5 / s->scale[i];
    uint8_t *is_labelled = s->is_labelled + i * s->width;
    Extent e = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    int n = 0;
    for (Py_ssize_t j = 0; j < s->k; j++, points += 3) {
        x[j] = points[0];
        y[j] = points[1];
        is_labelled[j] = points[2] > 0;
        factor[j] = is_labelled[j] ? s->inverse[j] * inverse_scale : 0.0;
        n += is_labelled[j];
        if (!is_labelled[j]) continue;
        e.low_x = x[j] < e.low_x ? x[j] : e.low_x;
        e.low_y = y[j] < e.low_y ? y[j] : e.low_y;
        e.high_x = x[j] > e.high_x ? x[j] : e.high_x;
        e.high_y = y[j] > e.high_y ? y[j] : e.high_y;
    }
    s->count[i] = n;
    return e;
}

/* Write the joints of person i, of integers, as pack_doubles. Dividing keeps their order, so that
 * integers are compared, many side by side. */
FOR_EACH_PROCESSOR
static Extent pack_integers(People *s, Py_ssize_t i, const int32_t *positions,
                            const uint8_t *visibility) {
    double *x = s->x + i * s->width, *y = s->y + i * s->width, *factor = s->factor + i * s->width;
    const double *inverse = s->inverse, inverse_scale = 0.5 / s->scale[i];
    uint8_t *is_labelled = s->is_labelled + i * s->width;
    int32_t low_x = INT32_MAX, low_y = INT32_MAX, high_x = INT32_MIN, high_y = INT32_MIN;
    const Py_ssize_t k = s->k;
    int n = 0;
    INDEPENDENT
    for (Py_ssize_t j = 0; j < k; j++) {
        int32_t px = positions[2 * j], py = positions[2 * j + 1], labelled = visibility[j] > 0;
        int32_t lx = labelled ? px : INT32_MAX, ly = labelled ? py : INT32_MAX;
        int32_t hx = labelled ? px : INT32_MIN, hy = labelled ? py : INT32_MIN;
        low_x = lx < low_x ? lx : low_x;
        low_y = ly < low_y ? ly : low_y;
        high_x = hx > high_x ? hx : high_x;
        high_y = hy > high_y ? hy : high_y;
        n += labelled;
        is_labelled[j] = (uint8_t)labelled;
    }
    INDEPENDENT
    for (Py_ssize_t j = 0; j < k; j++) {
        x[j] = positions[2 * j] / UNITS_PER_PIXEL;
        y[j] = positions[2 * j + 1] / UNITS_PER_PIXEL;
        factor[j] = visibility[j] ? inverse[j] * inverse_scale : 0.0;
    }
    s->count[i] = n;
    Extent e = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    if (n) {
        e.low_x = low_x / UNITS_PER_PIXEL;
        e.low_y = low_y / UNITS_PER_PIXEL;
        e.high_x = high_x / UNITS_PER_PIXEL;
        e.high_y = high_y / UNITS_PER_PIXEL;
    }
    return e;
}

/* Write the joints of person i; return where the labelled ones are. */
static Extent pack_joints(People *s, Py_ssize_t i, const Keypoints *keypoints, Py_ssize_t row) {
    Py_ssize_t first = row * s->k, at = i * s->width;
    for (Py_ssize_t j = at + s->k; j < at + s->width; j++) s->x[j] = s->y[j] = s->factor[j] = 0.0;
    if (!keypoints->visibility) return pack_doubles(s, i, keypoints->points + 3 * first);
    return pack_integers(s, i, keypoints->positions + 2 * first, keypoints->visibility + first);
}

/* Pack the people `rows`. */
static void pack_people(People *s, const Py_ssize_t *rows, Py_ssize_t g, const Keypoints *keypoints,
                        const double *boxes, const double *area, double limit) {
    volatile uint8_t touched = touch_people(keypoints, area, rows, g, s->k);
    (void)touched; /* volatile, so that the reads are done */
    for (Py_ssize_t i = 0; i < g; i++) {
        s->scale[i] = area[rows[i]] + TINY;
        Extent e = pack_joints(s, i, keypoints, rows[i]);
        if (s->count[i] == 0) {
            const double *b = boxes + rows[i] * 4;
            double x0 = b[0] - b[2], x1 = b[0] + b[2] * 2, y0 = b[1] - b[3], y1 = b[1] + b[3] * 2;
            e.low_x = x0 < x1 ? x0 : x1;
            e.high_x = x0 < x1 ? x1 : x0;
            e.low_y = y0 < y1 ? y0 : y1;
            e.high_y = y0 < y1 ? y1 : y0;
        }
        s->low_x[i] = e.low_x;
        s->low_y[i] = e.low_y;
        s->high_x[i] = e.high_x;
        s->high_y[i] = e.high_y;
        /* A negative area reverses the bound: such a person is compared with every detection. */
        s->max_gap2[i] = s->scale[i] > 0 ? limit * s->scale[i] : INFINITY;
    }
}

/* Write the joints of a detection; return where they are. x and y are compared side by side. */
static Extent pack_pose(People *s, const double *pose) {
    double low[2] = {pose[0], pose[1]}, high[2] = {pose[0], pose[1]};
    for (Py_ssize_t j = 0; j < s->k; j++, pose += 3) {
        s->pose_x[j] = pose[0];
        s->pose_y[j] = pose[1];
        for (int c = 0; c < 2; c++) {
            low[c] = pose[c] < low[c] ? pose[c] : low[c];
            high[c] = pose[c] > high[c] ? pose[c] : high[c];
        }
    }
    Extent e = {low[0], low[1], high[0], high[1]};
    return e;
}

/* Tell of each person whether even the nearest corners of the extents are too far apart for any
 * joint. */
FOR_EACH_PROCESSOR
static void find_far_people(const People *s, Py_ssize_t g, const Extent *e) {
    const double *low_x = s->low_x, *low_y = s->low_y, *high_x = s->high_x, *high_y = s->high_y;
    const double *max_gap2 = s->max_gap2;
    const double pose_low_x = e->low_x, pose_low_y = e->low_y;
    const double pose_high_x = e->high_x, pose_high_y = e->high_y;
    int64_t *is_far = s->is_far;
    INDEPENDENT
    for (Py_ssize_t i = 0; i < g; i++) {
        double ax = low_x[i] - pose_high_x, bx = pose_low_x - high_x[i];
        double ay = low_y[i] - pose_high_y, by = pose_low_y - high_y[i];
        double gx = ax > bx ? ax : bx, gy = ay > by ? ay : by;
        gx = gx > 0 ? gx : 0;
        gy = gy > 0 ? gy : 0;
        is_far[i] = gx * gx + gy * gy > max_gap2[i];
    }
}

/* Add up numbers of joints side by side, in pairs: one after the other they would wait for each
 * other. */
static inline double sum_joints(const double *values) {
    return ((values[0] + values[4]) + (values[2] + values[6])) +
           ((values[1] + values[5]) + (values[3] + values[7]));
}

/* Tell that the mean of exp(-e) of the labelled joints of a person cannot reach min_oks.
 *
 * 1 - exp(-e) is at least as large as chords between its points at 0, 1 and 3, and surely as large
 * as 1 - 1 / (1 + e + e²/2 + e³/6). */
FOR_EACH_PROCESSOR
static int cannot_reach(const People *s, Py_ssize_t i, double min_oks) {
    const double *x = s->x + i * s->width, *y = s->y + i * s->width;
    const double *factor = s->factor + i * s->width, *pose_x = s->pose_x, *pose_y = s->pose_y;
    const double n = s->count[i], spare = n * (1.0 - min_oks) + 1e-9 * n;
    double lost[WIDTH] = {0.0}, lost_surely[WIDTH] = {0.0};
    for (Py_ssize_t first = 0; first < s->width; first += WIDTH) {
        INDEPENDENT
        for (int l = 0; l < WIDTH; l++) {
            double dx = pose_x[first + l] - x[first + l], dy = pose_y[first + l] - y[first + l];
            /* Joints without a label have factor 0, and may be too far apart for a square. */
            double e = factor[first + l] > 0.0 ? (dx * dx + dy * dy) * factor[first + l] : 0.0;
            double near = 0.6321 * e, far = 0.4730 + 0.1590 * e;
            double bound = near < far ? near : far;
            lost[l] += bound < 0.95 ? bound : 0.95;
        }
    }
    if (sum_joints(lost) > spare) return 1;
    for (Py_ssize_t first = 0; first < s->width; first += WIDTH) {
        INDEPENDENT
        for (int l = 0; l < WIDTH; l++) {
            double dx = pose_x[first + l] - x[first + l], dy = pose_y[first + l] - y[first + l];
            double e = factor[first + l] > 0.0 ? (dx * dx + dy * dy) * factor[first + l] : 0.0;
            lost_surely[l] += 1.0 - 1.0 / (1.0 + e * (1.0 + e * (0.5 + e * (1.0 / 6))));
        }
    }
    return sum_joints(lost_surely) > spare;
}

/* What the matching of earlier blocks says of people; without members nothing is known. */
typedef struct {
    const uint32_t *members; /* (n,) bits of the classes that a person belongs to */
    const uint8_t *used;     /* (n,) USED once matched, FULL where nothing can match them again */
    int32_t *stamp;          /* (n,) the last block in which a person was a candidate */
    int32_t block;           /* the current one */
} MatchState;

enum { USED = 1, FULL = 2 };

#define MIN_CROWD 64 /* people of an image from which on hopeless candidates are searched */
#define MAX_KINDS 8  /* combinations of classes that are told apart in a crowd */

/* For each combination of classes, the OKS that an unmatched person surely has with a detection. At
 * every threshold that they reach, they leave nothing for people of the same classes below them. */
typedef struct {
    int count;
    uint32_t members[MAX_KINDS];
    Py_ssize_t nearest[MAX_KINDS];
    double apart2[MAX_KINDS], min_oks[MAX_KINDS];
} CrowdBound;

/* OKS up to rounding: exponentials here are not numpy's. */
static double estimate_oks(const People *s, Py_ssize_t i) {
    double sum = 0.0;
    for (Py_ssize_t j = 0, at = i * s->width; j < s->k; j++, at++) {
        if (!s->is_labelled[at]) continue;
        double dx = s->pose_x[j] - s->x[at], dy = s->pose_y[j] - s->y[at];
        sum += exp(-(dx * dx + dy * dy) * s->factor[at]);
    }
    return sum / s->count[i];
}

static int find_kind(const CrowdBound *bound, uint32_t members) {
    for (int kind = 0; kind < bound->count; kind++)
        if (bound->members[kind] == members) return kind;
    return -1;
}

/* Find the nearest person of each kind that no detection has matched or may match in this block. */
static void bound_crowd(CrowdBound *bound, const People *s, const Py_ssize_t *group, Py_ssize_t g,
                        const Extent *e, const MatchState *state) {
    double x = e->low_x + e->high_x, y = e->low_y + e->high_y;
    bound->count = 0;
    for (Py_ssize_t i = 0; i < g; i++) {
        Py_ssize_t p = group[i];
        if (state->used[p] || state->stamp[p] == state->block) continue;
        if (!s->count[i] || !(s->scale[i] > 0)) continue;
        double dx = s->low_x[i] + s->high_x[i] - x, dy = s->low_y[i] + s->high_y[i] - y;
        double apart2 = (dx * dx + dy * dy) / s->scale[i];
        int kind = find_kind(bound, state->members[p]);
        if (kind < 0 && bound->count < MAX_KINDS) {
            kind = bound->count++;
            bound->members[kind] = state->members[p];
            bound->apart2[kind] = INFINITY;
            bound->nearest[kind] = -1;
        }
        if (kind < 0 || !(apart2 < bound->apart2[kind])) continue;
        bound->apart2[kind] = apart2;
        bound->nearest[kind] = i;
    }
    for (int kind = 0; kind < bound->count; kind++) {
        Py_ssize_t i = bound->nearest[kind];
        bound->min_oks[kind] = i < 0 ? 0.0 : estimate_oks(s, i) - 1e-8;
    }
}

/* Write d² / (2 variance area) of all joints of a pair, with the rounding of NumPy's. */
FOR_EACH_PROCESSOR
static void compute_exponents(const People *s, Py_ssize_t i, double *out) {
    const double *x = s->x + i * s->width, *y = s->y + i * s->width, *variance = s->variance;
    const double *pose_x = s->pose_x, *pose_y = s->pose_y, scale = s->scale[i];
    for (Py_ssize_t first = 0; first < s->width; first += WIDTH) {
        INDEPENDENT
        for (Py_ssize_t j = first; j < first + WIDTH; j++) {
            double dx = pose_x[j] - x[j], dy = pose_y[j] - y[j];
            out[j] = (dx * dx + dy * dy) / variance[j] / scale / 2;
        }
    }
}

/* Write d² / (2 variance area) of every labelled joint of a pair, or of all joints to the box of
 * a person without labels; return how many. */
static int write_exponents(const People *s, Py_ssize_t i, const double *box, double *e) {
    int n = s->count[i];
    double scale = s->scale[i];
    if (n) {
        const uint8_t *is_labelled = s->is_labelled + i * s->width;
        compute_exponents(s, i, s->positions);
        if (n == s->k) {
            memcpy(e, s->positions, (size_t)n * sizeof(double));
            return n;
        }
        for (Py_ssize_t j = 0; j < s->k; j++) {
            *e = s->positions[j]; /* there is room for k behind the pairs before */
            e += is_labelled[j];
        }
        return n;
    }
    double x0 = box[0] - box[2], x1 = box[0] + box[2] * 2;
    double y0 = box[1] - box[3], y1 = box[1] + box[3] * 2;
    for (Py_ssize_t j = 0; j < s->k; j++) {
        double x = s->pose_x[j], y = s->pose_y[j];
        double dx = (x0 - x > 0 ? x0 - x : 0) + (x - x1 > 0 ? x - x1 : 0);
        double dy = (y0 - y > 0 ? y0 - y : 0) + (y - y1 > 0 ? y - y1 : 0);
        e[j] = (dx * dx + dy * dy) / s->variance[j] / scale / 2;
    }
    return (int)s->k;
}

/* find_near_pairs(detections, keypoints, visibility, boxes, area, variances, rows, image, people,
 *                 start, first, last, k, limit, min_oks, d, g, count, e, members, used, stamp, block)
 *     -> (next, num_pairs, used)
 * Writes the exponents of every pair that may reach min_oks, for the detections from `first` on,
 * until an output is full. Those of a pair are side by side. Where `members` is not empty, pairs
 * that cannot match any more are left out; see MatchState. */
static PyObject *find_near_pairs(PyObject *self, PyObject *args) {
    Py_buffer b[17];
    Py_ssize_t first, last, k;
    int block;
    double limit, min_oks;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*y*y*nnnddw*w*w*w*y*y*w*i", &b[0], &b[1], &b[2], &b[3],
                          &b[4], &b[5], &b[6], &b[7], &b[8], &b[9], &first, &last, &k, &limit, &min_oks,
                          &b[10], &b[11], &b[12], &b[13], &b[14], &b[15], &b[16], &block))
        return NULL;
    const double *detections = b[0].buf, *boxes = b[3].buf, *area = b[4].buf;
    const Keypoints keypoints = take_keypoints(&b[1], &b[2]);
    const double *variances = b[5].buf;
    const Py_ssize_t *rows = b[6].buf, *image = b[7].buf, *people = b[8].buf, *start = b[9].buf;
    Py_ssize_t *out_d = b[10].buf, *out_g = b[11].buf;
    int32_t *out_count = b[12].buf;
    double *e = b[13].buf;
    Py_ssize_t max_pairs = b[10].len / (Py_ssize_t)sizeof(Py_ssize_t);
    Py_ssize_t capacity = b[13].len / (Py_ssize_t)sizeof(double);
    MatchState state = {b[14].buf, b[15].buf, b[16].buf, block};
    int has_state = b[14].len > 0;
    Py_ssize_t pairs = 0, used = 0, current = -1, g = 0, d;
    const Py_ssize_t *group = NULL; /* rows of the people of the current image */
    People s = {0};
    CrowdBound bound = {0};
    int failed = 0;

    Py_BEGIN_ALLOW_THREADS
    for (d = first; d < last; d++) {
        if (image[d] != current) {
            current = image[d];
            group = people + start[current];
            g = start[current + 1] - start[current];
            if (reserve_people(&s, g, k, variances) < 0) {
                failed = 1;
                break;
            }
            pack_people(&s, group, g, &keypoints, boxes, area, limit);
        }
        if (pairs + g > max_pairs || used + g * k > capacity) break;
        if (g == 0) continue;
        Extent extent = pack_pose(&s, detections + rows[d] * 3 * k);
        int is_crowd = has_state && g >= MIN_CROWD;
        if (is_crowd) bound_crowd(&bound, &s, group, g, &extent, &state);
        find_far_people(&s, g, &extent);
        for (Py_ssize_t i = 0; i < g; i++) {
            if (s.is_far[i]) continue;
            if (has_state && state.used[group[i]] & FULL) continue;
            double needed = min_oks;
            int kind = is_crowd ? find_kind(&bound, state.members[group[i]]) : -1;
            if (kind >= 0 && bound.min_oks[kind] > needed) needed = bound.min_oks[kind];
            if (s.count[i] && s.scale[i] > 0 && cannot_reach(&s, i, needed)) continue;
            out_d[pairs] = d;
            out_g[pairs] = group[i];
            const double *box = boxes + group[i] * 4;
            out_count[pairs] = write_exponents(&s, i, box, e + used);
            used += out_count[pairs++];
        }
        /* Only now, so that a detection's own candidates do not hide each other. */
        for (Py_ssize_t pair = pairs; is_crowd && pair > 0 && out_d[pair - 1] == d; pair--)
            state.stamp[out_g[pair - 1]] = block;
    }
    free_people(&s);
    Py_END_ALLOW_THREADS
    release(b, 17);
    if (failed) return PyErr_NoMemory();
    return Py_BuildValue("nnn", d, pairs, used);
}

/* keep_candidates(e, count, num_pairs, min_oks, d, g, oks) -> num_kept
 * e is exp(-e) by now; pairs whose mean reaches min_oks move to the front of d, g and oks. */
static PyObject *keep_candidates(PyObject *self, PyObject *args) {
    Py_buffer b[5];
    Py_ssize_t pairs, kept = 0;
    double min_oks;
    if (!PyArg_ParseTuple(args, "y*y*ndw*w*w*", &b[0], &b[1], &pairs, &min_oks, &b[2], &b[3], &b[4]))
        return NULL;
    const double *e = b[0].buf;
    const int32_t *count = b[1].buf;
    Py_ssize_t *d = b[2].buf, *g = b[3].buf;
    double *oks = b[4].buf;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < pairs; e += count[i], i++) {
        double value = sum_pairwise(e, count[i]) / count[i];
        if (!(value >= min_oks)) continue;
        d[kept] = d[i];
        g[kept] = g[i];
        oks[kept++] = value;
    }
    Py_END_ALLOW_THREADS
    release(b, 5);
    return PyLong_FromSsize_t(kept);
}

/* Sort rows by falling score; ties keep their order. */
static void merge_sort(Py_ssize_t *rows, Py_ssize_t *spare, Py_ssize_t n, const double *scores) {
    if (n <= 24) {
        for (Py_ssize_t i = 1; i < n; i++) {
            Py_ssize_t row = rows[i], at = i;
            for (; at > 0 && scores[rows[at - 1]] < scores[row]; at--) rows[at] = rows[at - 1];
            rows[at] = row;
        }
        return;
    }
    Py_ssize_t half = n / 2, i = 0, j = half, at = 0;
    merge_sort(rows, spare, half, scores);
    merge_sort(rows + half, spare, n - half, scores);
    memcpy(spare, rows, (size_t)n * sizeof(Py_ssize_t));
    while (i < half && j < n)
        rows[at++] = scores[spare[i]] >= scores[spare[j]] ? spare[i++] : spare[j++];
    while (i < half) rows[at++] = spare[i++];
    while (j < n) rows[at++] = spare[j++];
}

/* Note that a person was matched, and whether every threshold of every class is taken. */
static void mark_used(uint8_t *used, const uint16_t *taken, Py_ssize_t classes, int levels,
                      int is_crowd) {
    uint16_t all = (uint16_t)((1u << levels) - 1);
    Py_ssize_t c = 0;
    while (c < classes && taken[c] == all) c++;
    *used = c == classes && !is_crowd ? USED | FULL : USED;
}

/* What the matching of detections reads and fills in. */
typedef struct {
    const uint32_t *members; /* a class is a bit */
    const uint8_t *is_crowd;
    Py_ssize_t classes, detections;
    int levels;                         /* thresholds, each a bit */
    uint16_t *true_positives, *ignored; /* (classes, detections) */
    uint16_t *taken;                    /* (n, classes) bits at which a person has been matched */
} Matching;

/* Match detection d with its only candidate, as match_detection does. */
static void match_only_candidate(const Matching *m, Py_ssize_t d, Py_ssize_t p, uint16_t good) {
    uint32_t members = m->members[p];
    uint16_t *taken = m->taken + p * m->classes, any = m->is_crowd[p] ? 0xFFFF : 0;
    for (Py_ssize_t c = 0; c < m->classes; c++) {
        uint16_t new = good & (uint16_t)(~taken[c] | any);
        uint16_t in_class = (uint16_t)-(int)(members >> c & 1);
        taken[c] |= new;
        m->true_positives[c * m->detections + d] = new & in_class;
        m->ignored[c * m->detections + d] = new & (uint16_t)~in_class;
    }
}

/* Match detection d with its n candidates, the best first; `good` are the thresholds they reach.
 * The bits of what matches nothing are 0 before. */
static void match_detection(const Matching *m, Py_ssize_t d, const int32_t *people,
                            const uint16_t *good, Py_ssize_t n) {
    if (n == 1) {
        match_only_candidate(m, d, people[0], good[0]);
        return;
    }
    for (Py_ssize_t c = 0; n && c < m->classes; c++) {
        uint16_t open = (uint16_t)((1u << m->levels) - 1), matched[2] = {0, 0};
        /* People of the class before ignored ones, whatever their OKS. */
        for (int in_class = 1; in_class >= 0; in_class--) {
            for (Py_ssize_t j = 0; j < n && open; j++) {
                Py_ssize_t p = people[j];
                if ((int)(m->members[p] >> c & 1) != in_class) continue;
                uint16_t *person = m->taken + p * m->classes + c;
                uint16_t new = open & good[j] & (m->is_crowd[p] ? 0xFFFF : (uint16_t)~*person);
                *person |= new;
                open &= (uint16_t)~new;
                matched[in_class] |= new;
            }
        }
        m->true_positives[c * m->detections + d] = matched[1];
        m->ignored[c * m->detections + d] = matched[0];
    }
}

/* Room for the candidates of one detection. */
typedef struct {
    Py_ssize_t *order; /* twice as many, half of them for sorting */
    int32_t *people;
    uint16_t *good;
    Py_ssize_t widest;
} Candidates;

static void free_candidates(Candidates *s) {
    free(s->order);
    free(s->people);
    free(s->good);
}

/* Make room for the detection with most candidates; return -1 without memory. */
static int reserve_candidates(Candidates *s, const Py_ssize_t *d, Py_ssize_t pairs) {
    s->widest = 0;
    for (Py_ssize_t i = 0, run = 0; i < pairs; i++) {
        run = i && d[i] == d[i - 1] ? run + 1 : 1;
        s->widest = run > s->widest ? run : s->widest;
    }
    size_t n = (size_t)s->widest + 1;
    s->order = malloc(2 * n * sizeof(Py_ssize_t));
    s->people = malloc(n * sizeof(int32_t));
    s->good = malloc(n * sizeof(uint16_t));
    if (s->order && s->people && s->good) return 0;
    free_candidates(s);
    return -1;
}

/* Sort n candidates by falling OKS; of equal ones the last in the file is first, as pycocotools
 * lets it win. */
static void sort_candidates(Candidates *s, const Py_ssize_t *g, const double *oks, Py_ssize_t n,
                            const double *thresholds, int levels) {
    for (Py_ssize_t j = 0; j < n; j++) s->order[j] = n - 1 - j;
    merge_sort(s->order, s->order + s->widest, n, oks);
    for (Py_ssize_t j = 0; j < n; j++) {
        s->people[j] = (int32_t)g[s->order[j]];
        s->good[j] = 0;
        for (int t = 0; t < levels; t++)
            s->good[j] |= (uint16_t)((oks[s->order[j]] >= thresholds[t]) << t);
    }
}

/* match_candidates(d, g, oks, num_pairs, members, is_crowd, thresholds, num_classes,
 *                  num_detections, true_positives, ignored, taken, used)
 * Candidates come detection by detection, best score of an image first. A threshold is a bit, a
 * class is a bit of a person's `members`; `taken` has the thresholds at which a person of a class
 * has been matched, before and by this call, and `used` is as in MatchState. */
static PyObject *match_candidates(PyObject *self, PyObject *args) {
    Py_buffer b[10];
    Py_ssize_t pairs, classes, detections;
    if (!PyArg_ParseTuple(args, "y*y*y*ny*y*y*nnw*w*w*w*", &b[0], &b[1], &b[2], &pairs, &b[3], &b[4],
                          &b[5], &classes, &detections, &b[6], &b[7], &b[8], &b[9]))
        return NULL;
    const Py_ssize_t *d = b[0].buf, *g = b[1].buf;
    const double *oks = b[2].buf, *thresholds = b[5].buf;
    uint8_t *used = b[9].buf;
    int levels = (int)(b[5].len / (Py_ssize_t)sizeof(double));
    Matching m = {b[3].buf, b[4].buf, classes, detections, levels, b[6].buf, b[7].buf, b[8].buf};
    Candidates s;
    if (reserve_candidates(&s, d, pairs) < 0) {
        release(b, 10);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0, end; i < pairs; i = end) {
        for (end = i; end < pairs && d[end] == d[i]; end++) {}
        sort_candidates(&s, g + i, oks + i, end - i, thresholds, levels);
        match_detection(&m, d[i], s.people, s.good, end - i);
        for (Py_ssize_t j = 0; j < end - i; j++) {
            Py_ssize_t p = s.people[j];
            const uint16_t *person = m.taken + p * classes;
            for (Py_ssize_t c = 0; c < classes; c++) {
                if (!person[c]) continue;
                mark_used(used + p, person, classes, levels, m.is_crowd[p]);
                break;
            }
        }
    }
    Py_END_ALLOW_THREADS
    free_candidates(&s);
    release(b, 10);
    Py_RETURN_NONE;
}

/* rank_candidates(d, g, oks, num_pairs, thresholds, counts, people, levels)
 * Candidates come detection by detection. Those of each are sorted, the best first, into `people`
 * and the bits of the thresholds that they reach; their number goes to counts[d]. */
static PyObject *rank_candidates(PyObject *self, PyObject *args) {
    Py_buffer b[7];
    Py_ssize_t pairs;
    if (!PyArg_ParseTuple(args, "y*y*y*ny*w*w*w*", &b[0], &b[1], &b[2], &pairs, &b[3], &b[4], &b[5],
                          &b[6]))
        return NULL;
    const Py_ssize_t *d = b[0].buf, *g = b[1].buf;
    const double *oks = b[2].buf, *thresholds = b[3].buf;
    int32_t *counts = b[4].buf, *people = b[5].buf;
    uint16_t *levels = b[6].buf;
    int num_levels = (int)(b[3].len / (Py_ssize_t)sizeof(double));
    Candidates s;
    if (reserve_candidates(&s, d, pairs) < 0) {
        release(b, 7);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0, end; i < pairs; i = end) {
        for (end = i; end < pairs && d[end] == d[i]; end++) {}
        sort_candidates(&s, g + i, oks + i, end - i, thresholds, num_levels);
        counts[d[i]] = (int32_t)(end - i);
        memcpy(people + i, s.people, (size_t)(end - i) * sizeof(int32_t));
        memcpy(levels + i, s.good, (size_t)(end - i) * sizeof(uint16_t));
    }
    Py_END_ALLOW_THREADS
    free_candidates(&s);
    release(b, 7);
    Py_RETURN_NONE;
}

/* match_ranked(rows, first, counts, people, levels, members, is_crowd, num_levels, num_classes,
 *              true_positives, ignored, taken)
 * Match the detections `rows` in this order; the candidates of detection r are counts[r] from
 * first[r] on, as rank_candidates sorts them. */
static PyObject *match_ranked(PyObject *self, PyObject *args) {
    Py_buffer b[10];
    Py_ssize_t classes;
    int levels;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*inw*w*w*", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
                          &b[6], &levels, &classes, &b[7], &b[8], &b[9]))
        return NULL;
    const Py_ssize_t *rows = b[0].buf, *first = b[1].buf;
    const int32_t *counts = b[2].buf, *people = b[3].buf;
    const uint16_t *good = b[4].buf;
    Py_ssize_t n = b[0].len / (Py_ssize_t)sizeof(Py_ssize_t);
    Matching m = {b[5].buf, b[6].buf, classes, n, levels, b[7].buf, b[8].buf, b[9].buf};
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_ssize_t at = first[rows[i]], count = counts[rows[i]];
        match_detection(&m, i, people + at, good + at, count);
    }
    Py_END_ALLOW_THREADS
    release(b, 10);
    Py_RETURN_NONE;
}

/* sort_by_image(image, scores, start, rows): rows image by image, best score first. */
static PyObject *sort_by_image(PyObject *self, PyObject *args) {
    Py_buffer b[4];
    if (!PyArg_ParseTuple(args, "y*y*y*w*", &b[0], &b[1], &b[2], &b[3])) return NULL;
    const Py_ssize_t *image = b[0].buf, *start = b[2].buf;
    const double *scores = b[1].buf;
    Py_ssize_t *rows = b[3].buf, n = b[0].len / (Py_ssize_t)sizeof(Py_ssize_t);
    Py_ssize_t images = b[2].len / (Py_ssize_t)sizeof(Py_ssize_t) - 1;
    Py_ssize_t *spare = malloc((size_t)(n + images + 1) * sizeof(Py_ssize_t));
    if (!spare) {
        release(b, 4);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    Py_ssize_t *next = spare + n;
    memcpy(next, start, (size_t)images * sizeof(Py_ssize_t));
    for (Py_ssize_t i = 0; i < n; i++) rows[next[image[i]]++] = i;
    for (Py_ssize_t m = 0; m < images; m++)
        merge_sort(rows + start[m], spare, start[m + 1] - start[m], scores);
    Py_END_ALLOW_THREADS
    free(spare);
    release(b, 4);
    Py_RETURN_NONE;
}

#define DIGIT_BITS 11 /* of a key, by which rows are sorted at a time */
#define NUM_DIGITS 6
#define DIGIT(key, d) ((key) >> (d) * DIGIT_BITS & ((1 << DIGIT_BITS) - 1))

/* Return an unsigned number of the same order as a double; both zeros are the same. */
static inline uint64_t make_key(double value) {
    uint64_t bits;
    value += 0.0;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | 1ull << 63;
}

/* Move keys and their rows behind those with lower digits d; `next` is where each digit begins. */
static void move_by_digit(const uint64_t *keys, const int32_t *rows, Py_ssize_t n, int d,
                          Py_ssize_t *next, uint64_t *to_keys, int32_t *to_rows) {
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_ssize_t at = next[DIGIT(keys[i], d)]++;
        to_keys[at] = keys[i];
        to_rows[at] = rows[i];
    }
}

/* sort_rows(values, rows): rows by rising value; ties keep their order. */
static PyObject *sort_rows(PyObject *self, PyObject *args) {
    Py_buffer b[2];
    if (!PyArg_ParseTuple(args, "y*w*", &b[0], &b[1])) return NULL;
    const double *values = b[0].buf;
    Py_ssize_t *out = b[1].buf, n = b[0].len / (Py_ssize_t)sizeof(double);
    size_t room = (size_t)n + 1;
    Py_ssize_t(*counts)[1 << DIGIT_BITS] = calloc(NUM_DIGITS, sizeof *counts);
    uint64_t *keys = malloc(2 * room * sizeof *keys);
    int32_t *rows = malloc(2 * room * sizeof *rows);
    if (!counts || !keys || !rows) {
        free(counts);
        free(keys);
        free(rows);
        release(b, 2);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++) {
        keys[i] = make_key(values[i]);
        rows[i] = (int32_t)i;
        for (int d = 0; d < NUM_DIGITS; d++) counts[d][DIGIT(keys[i], d)]++;
    }
    for (int d = 0; d < NUM_DIGITS; d++) {
        Py_ssize_t start = 0;
        for (int digit = 0; digit < 1 << DIGIT_BITS; digit++) {
            Py_ssize_t count = counts[d][digit];
            counts[d][digit] = start;
            start += count;
        }
        size_t from = d % 2 ? room : 0, to = d % 2 ? 0 : room; /* an even number of moves */
        move_by_digit(keys + from, rows + from, n, d, counts[d], keys + to, rows + to);
    }
    for (Py_ssize_t i = 0; i < n; i++) out[i] = rows[i];
    Py_END_ALLOW_THREADS
    free(counts);
    free(keys);
    free(rows);
    release(b, 2);
    Py_RETURN_NONE;
}

/* find_owners(rows, image, people, start, detection_boxes, boxes, is_counted, owners): the person
 * that an unmatched detection belongs to; see protocols.find_owners. */
static PyObject *find_owners(PyObject *self, PyObject *args) {
    Py_buffer b[8];
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*w*", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &b[6],
                          &b[7]))
        return NULL;
    const Py_ssize_t *rows = b[0].buf, *image = b[1].buf, *people = b[2].buf, *start = b[3].buf;
    const double *detection_boxes = b[4].buf, *boxes = b[5].buf;
    const uint8_t *is_counted = b[6].buf;
    Py_ssize_t *owners = b[7].buf, n = b[0].len / (Py_ssize_t)sizeof(Py_ssize_t);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t d = 0; d < n; d++) {
        const double *a = detection_boxes + rows[d] * 4;
        double best_iou = 0.0, nearest = INFINITY;
        Py_ssize_t best = -1, near = -1;
        for (Py_ssize_t i = start[image[d]]; i < start[image[d] + 1]; i++) {
            if (!is_counted[people[i]]) continue;
            const double *p = boxes + people[i] * 4;
            double lx = a[0] > p[0] ? a[0] : p[0], ly = a[1] > p[1] ? a[1] : p[1];
            double ax = a[0] + a[2], ay = a[1] + a[3], px = p[0] + p[2], py = p[1] + p[3];
            double sx = (ax < px ? ax : px) - lx, sy = (ay < py ? ay : py) - ly;
            double shared = (sx > 0 ? sx : 0) * (sy > 0 ? sy : 0);
            double total = a[2] * a[3] + p[2] * p[3] - shared;
            double iou = total > 0 ? shared / total : 0;
            if (iou > best_iou) {
                best_iou = iou;
                best = people[i];
            }
            if (best >= 0) continue;
            double cx = (a[0] + a[2] / 2) - (p[0] + p[2] / 2);
            double cy = (a[1] + a[3] / 2) - (p[1] + p[3] / 2);
            double apart = cx * cx + cy * cy;
            if (apart <= p[2] * p[2] + p[3] * p[3] && apart < nearest) {
                nearest = apart;
                near = people[i];
            }
        }
        owners[d] = best >= 0 ? best : near;
    }
    Py_END_ALLOW_THREADS
    release(b, 8);
    Py_RETURN_NONE;
}

/* The precision of one threshold at each recall, of `count` true positives by falling score.
 *
 * wrong: the false positives before each of them; peak: room for as many numbers; reached: the first
 * true positive at each recall, `count` where none is. */
static void read_off_precision(const int32_t *wrong, Py_ssize_t *peak, Py_ssize_t count,
                               Py_ssize_t people, const double *recalls, Py_ssize_t steps,
                               double *precision, Py_ssize_t *reached) {
    /* peak[k]: the true positive from k on where precision, right / (wrong + right), peaks.
     * Fractions are compared by products, and divided only where they are read off. Of equal
     * ones the last: the first of all has a denominator of 1 + TINY. */
    Py_ssize_t p = count - 1;
    for (Py_ssize_t k = count - 1; k >= 0; k--) {
        if ((k + 1) * wrong[p] > (p + 1) * wrong[k]) p = k;
        peak[k] = p;
    }
    for (Py_ssize_t r = 0; r < steps; r++) {
        /* The first true positive whose recall is not below. */
        Py_ssize_t low = 0, high = count;
        while (low < high) {
            Py_ssize_t middle = (low + high) / 2;
            if ((double)(middle + 1) / (double)people < recalls[r]) low = middle + 1;
            else high = middle;
        }
        reached[r] = low;
        precision[r] = 0.0;
        if (low < count) {
            double right = (double)(peak[low] + 1);
            precision[r] = right / ((double)wrong[peak[low]] + right + TINY);
        }
    }
}

/* A detection that is not false at all thresholds alike. */
typedef struct {
    int32_t row, wrong; /* its row; the false positives at all thresholds before it */
    uint16_t true_positives, false_positives;
} Counted;

/* Collect by falling score what is not false at all thresholds alike, and count the true positives
 * of each threshold; return how many there are. */
static Py_ssize_t collect_counted(const Py_ssize_t *order, Py_ssize_t n, const uint16_t *true_positives,
                                  const uint16_t *false_positives, int levels, Counted *out,
                                  Py_ssize_t *tp) {
    const uint16_t everywhere = (uint16_t)((1u << levels) - 1);
    Py_ssize_t count = 0;
    int32_t wrong = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        uint16_t h = true_positives[order[i]], f = false_positives[order[i]];
        int is_wrong = !h && f == everywhere;
        out[count] = (Counted){(int32_t)order[i], wrong, h, f};
        count += !is_wrong && (h | f);
        wrong += is_wrong;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        for (int t = 0; t < levels; t++) tp[t] += out[i].true_positives >> t & 1;
    return count;
}

/* accumulate_matches(order, true_positives, false_positives, scores, num_people, recalls,
 *                    num_thresholds, precision, recall, score_at): the curves of one class. */
static PyObject *accumulate_matches(PyObject *self, PyObject *args) {
    Py_buffer b[8];
    Py_ssize_t people;
    int levels;
    if (!PyArg_ParseTuple(args, "y*y*y*y*ny*iw*w*w*", &b[0], &b[1], &b[2], &b[3], &people, &b[4],
                          &levels, &b[5], &b[6], &b[7]))
        return NULL;
    const Py_ssize_t *order = b[0].buf;
    const uint16_t *true_positives = b[1].buf, *false_positives = b[2].buf;
    const double *scores = b[3].buf, *recalls = b[4].buf;
    double *precision = b[5].buf, *recall = b[6].buf, *score_at = b[7].buf;
    Py_ssize_t n = b[0].len / (Py_ssize_t)sizeof(Py_ssize_t);
    Py_ssize_t steps = b[4].len / (Py_ssize_t)sizeof(double), total = 0, most = 0, num_counted;
    Py_ssize_t tp[16] = {0}, start[16];
    int32_t fp[16] = {0};
    Counted *counted = malloc((size_t)(n + 1) * sizeof(Counted));
    if (!counted) {
        release(b, 8);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    num_counted = collect_counted(order, n, true_positives, false_positives, levels, counted, tp);
    Py_END_ALLOW_THREADS
    for (int t = 0; t < levels; t++) {
        start[t] = total;
        total += tp[t];
        most = tp[t] > most ? tp[t] : most;
        tp[t] = 0;
    }
    int32_t *wrong = malloc((size_t)(total + 1) * sizeof(int32_t));
    int32_t *where = malloc((size_t)(total + 1) * sizeof(int32_t));
    Py_ssize_t *peak = malloc((size_t)(most + steps + 1) * sizeof(Py_ssize_t));
    if (!wrong || !peak || !where) {
        free(counted);
        free(wrong);
        free(peak);
        free(where);
        release(b, 8);
        return PyErr_NoMemory();
    }
    Py_ssize_t *reached = peak + most;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < num_counted; i++) {
        const Counted *one = counted + i;
        for (int t = 0; t < 16; t++) fp[t] += one->false_positives >> t & 1;
        for (int t = 0, h = one->true_positives; h; h >>= 1, t++) {
            if (!(h & 1)) continue;
            Py_ssize_t k = start[t] + tp[t]++;
            wrong[k] = fp[t] + one->wrong;
            where[k] = one->row;
        }
    }
    for (int t = 0; t < levels; t++) {
        read_off_precision(wrong + start[t], peak, tp[t], people, recalls, steps,
                           precision + t * steps, reached);
        recall[t] = (double)tp[t] / (double)people;
        for (Py_ssize_t r = 0; r < steps; r++) {
            double *score = score_at + t * steps + r;
            *score = reached[r] < tp[t] ? scores[where[start[t] + reached[r]]] : 0.0;
            if (n && recalls[r] <= 0) *score = scores[order[0]];
        }
    }
    Py_END_ALLOW_THREADS
    free(counted);
    free(wrong);
    free(peak);
    free(where);
    release(b, 8);
    Py_RETURN_NONE;
}

/* accumulate_changes(position, true_positives, false_positives, replaced, counts, num_people,
 *                    recalls, num_thresholds, precision, recall): the curves of one class whose
 * detections differ from common ones in some positions. counts: (t, n) int32, the common false
 * positives up to each position; replaced: those of them at the positions of this class. */
static PyObject *accumulate_changes(PyObject *self, PyObject *args) {
    Py_buffer b[8];
    Py_ssize_t people;
    int levels;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*ny*iw*w*", &b[0], &b[1], &b[2], &b[3], &b[4], &people,
                          &b[5], &levels, &b[6], &b[7]))
        return NULL;
    const Py_ssize_t *position = b[0].buf;
    const uint16_t *true_positives = b[1].buf, *false_positives = b[2].buf, *replaced = b[3].buf;
    const int32_t *counts = b[4].buf;
    const double *recalls = b[5].buf;
    double *precision = b[6].buf, *recall = b[7].buf;
    Py_ssize_t e = b[0].len / (Py_ssize_t)sizeof(Py_ssize_t), capacity = 0;
    Py_ssize_t n = b[4].len / ((Py_ssize_t)sizeof(int32_t) * levels);
    Py_ssize_t steps = b[5].len / (Py_ssize_t)sizeof(double);
    Py_ssize_t tp[16] = {0}, change[16] = {0};
    for (Py_ssize_t i = 0; i < e; i++)
        if (true_positives[i]) capacity++;
    int32_t *wrong = malloc((size_t)(capacity * levels + 1) * sizeof(int32_t));
    Py_ssize_t *peak = malloc((size_t)(capacity + steps + 1) * sizeof(Py_ssize_t));
    if (!wrong || !peak) {
        free(wrong);
        free(peak);
        release(b, 8);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < e; i++) {
        uint16_t h = true_positives[i], f = false_positives[i], common = replaced[i];
        if (!h && f == common) continue;
        for (int t = 0; t < levels; t++) {
            change[t] += (f >> t & 1) - (common >> t & 1);
            if (h >> t & 1)
                wrong[t * capacity + tp[t]++] = (int32_t)(counts[t * n + position[i]] + change[t]);
        }
    }
    for (int t = 0; t < levels; t++) {
        read_off_precision(wrong + t * capacity, peak, tp[t], people, recalls, steps,
                           precision + t * steps, peak + capacity);
        recall[t] = (double)tp[t] / (double)people;
    }
    Py_END_ALLOW_THREADS
    free(wrong);
    free(peak);
    release(b, 8);
    Py_RETURN_NONE;
}

/* find_components(first, second, component): connect nodes by pairs; a node's component is the
 * lowest node that it is connected with. `component` comes as 0, 1, 2, ... */
static PyObject *find_components(PyObject *self, PyObject *args) {
    Py_buffer b[3];
    if (!PyArg_ParseTuple(args, "y*y*w*", &b[0], &b[1], &b[2])) return NULL;
    const Py_ssize_t *first = b[0].buf, *second = b[1].buf;
    Py_ssize_t *parent = b[2].buf;
    Py_ssize_t num_pairs = b[0].len / (Py_ssize_t)sizeof(Py_ssize_t);
    Py_ssize_t num_nodes = b[2].len / (Py_ssize_t)sizeof(Py_ssize_t);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < num_pairs; i++) {
        Py_ssize_t x = first[i], y = second[i];
        while (parent[x] != x) x = parent[x] = parent[parent[x]];
        while (parent[y] != y) y = parent[y] = parent[parent[y]];
        if (x < y) parent[y] = x;
        else parent[x] = y;
    }
    /* A parent is below its children, and so it is final before them. */
    for (Py_ssize_t x = 0; x < num_nodes; x++) parent[x] = parent[parent[x]];
    Py_END_ALLOW_THREADS
    release(b, 3);
    Py_RETURN_NONE;
}

/* box_around_poses(poses, k, boxes): (n, 4) xywh around all k joints of each pose. */
static PyObject *box_around_poses(PyObject *self, PyObject *args) {
    Py_buffer b[2];
    Py_ssize_t k;
    if (!PyArg_ParseTuple(args, "y*nw*", &b[0], &k, &b[1])) return NULL;
    const double *points = b[0].buf;
    double *box = b[1].buf;
    Py_ssize_t n = b[1].len / (4 * (Py_ssize_t)sizeof(double));
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++, points += 3 * k, box += 4) {
        double low[2] = {points[0], points[1]}, high[2] = {points[0], points[1]};
        for (Py_ssize_t j = 1; j < k; j++) {
            for (int c = 0; c < 2; c++) { /* x and y side by side */
                double value = points[3 * j + c];
                low[c] = value < low[c] ? value : low[c];
                high[c] = value > high[c] ? value : high[c];
            }
        }
        for (int c = 0; c < 2; c++) {
            box[c] = low[c];
            box[2 + c] = high[c] - low[c];
        }
    }
    Py_END_ALLOW_THREADS
    release(b, 2);
    Py_RETURN_NONE;
}

/* count_people(image, rows, members, matched_people, num_classes, num_thresholds, num_people,
 *              num_matched): sums image by image. */
static PyObject *count_people(PyObject *self, PyObject *args) {
    Py_buffer b[6];
    Py_ssize_t classes, levels;
    if (!PyArg_ParseTuple(args, "y*y*y*y*nnw*w*", &b[0], &b[1], &b[2], &b[3], &classes, &levels,
                          &b[4], &b[5]))
        return NULL;
    const Py_ssize_t *image = b[0].buf, *rows = b[1].buf;
    const uint32_t *members = b[2].buf;
    const uint16_t *matched_people = b[3].buf;
    int64_t *num_people = b[4].buf, *num_matched = b[5].buf;
    Py_ssize_t n = b[0].len / (Py_ssize_t)sizeof(Py_ssize_t);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++) {
        for (Py_ssize_t c = 0; c < classes; c++) {
            if (!(members[rows[i]] >> c & 1)) continue;
            Py_ssize_t cell = image[i] * classes + c;
            num_people[cell]++;
            for (Py_ssize_t t = 0; t < levels; t++)
                num_matched[cell * levels + t] += matched_people[rows[i]] >> t & 1;
        }
    }
    Py_END_ALLOW_THREADS
    release(b, 6);
    Py_RETURN_NONE;
}

/* The integers between which a position is inside of a box in one direction; none where low > high. */
typedef struct {
    int32_t low, high;
} Span;

/* Find the integers whose quotients, rounded, are between two numbers; 0 where these are beyond the
 * integers. Quotients rise with the integers, so that the ends of the span decide. */
static int find_span(double low, double high, Span *out) {
    const double limit = INT32_MAX - 2;
    if (!(fabs(low) * UNITS_PER_PIXEL < limit && fabs(high) * UNITS_PER_PIXEL < limit)) return 0;
    int32_t first = (int32_t)(low * UNITS_PER_PIXEL), last = (int32_t)(high * UNITS_PER_PIXEL);
    while ((first - 1) / UNITS_PER_PIXEL >= low) first--;
    while (first / UNITS_PER_PIXEL < low) first++;
    while ((last + 1) / UNITS_PER_PIXEL <= high) last++;
    while (last / UNITS_PER_PIXEL > high) last--;
    *out = (Span){first, last};
    return 1;
}

/* Count the labelled joints, and those outside of two spans. */
FOR_EACH_PROCESSOR
static void count_outside(const int32_t *positions, const uint8_t *visibility, Py_ssize_t k, Span x,
                          Span y, int *num_labelled, int *num_outside) {
    int labelled = 0, outside = 0;
    for (Py_ssize_t j = 0; j < k; j++) {
        int32_t px = positions[2 * j], py = positions[2 * j + 1];
        int is_labelled = visibility[j] > 0;
        int is_inside = (px >= x.low) & (px <= x.high) & (py >= y.low) & (py <= y.high);
        labelled += is_labelled;
        outside += is_labelled & !is_inside;
    }
    *num_labelled = labelled;
    *num_outside = outside;
}

/* measure_share_outside(boxes, keypoints, visibility, k, share): which share of the labelled joints
 * of each person is outside the box; 0 without a label. */
static PyObject *measure_share_outside(PyObject *self, PyObject *args) {
    Py_buffer b[4];
    Py_ssize_t k;
    if (!PyArg_ParseTuple(args, "y*y*y*nw*", &b[0], &b[1], &b[2], &k, &b[3])) return NULL;
    const double *box = b[0].buf;
    const Keypoints keypoints = take_keypoints(&b[1], &b[2]);
    double *share = b[3].buf;
    Py_ssize_t n = b[3].len / (Py_ssize_t)sizeof(double);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0, first = 0; i < n; i++, first += k, box += 4) {
        double right = box[0] + box[2], bottom = box[1] + box[3];
        int labelled = 0, outside = 0;
        Span x, y;
        if (keypoints.visibility && find_span(box[0], right, &x) && find_span(box[1], bottom, &y)) {
            count_outside(keypoints.positions + 2 * first, keypoints.visibility + first, k, x, y,
                          &labelled, &outside);
        } else {
            for (Py_ssize_t j = first; j < first + k; j++) {
                double px, py;
                int is_labelled = read_joint(&keypoints, j, &px, &py);
                int is_inside = px >= box[0] && px <= right && py >= box[1] && py <= bottom;
                labelled += is_labelled;
                outside += is_labelled && !is_inside;
            }
        }
        share[i] = (double)outside / (double)(labelled > 1 ? labelled : 1);
    }
    Py_END_ALLOW_THREADS
    release(b, 4);
    Py_RETURN_NONE;
}

#define LANES 16 /* resamples that are counted side by side */

/* The detections of one class, by falling score, and their images. */
typedef struct {
    const uint16_t *true_positives, *false_positives;
    const int32_t *image;
    Py_ssize_t n, images;
    int levels;
} ClassDetections;

typedef double Lanes[LANES];

/* Counts of `LANES` resamples: whole numbers, in doubles because their products are compared. */
typedef struct {
    Lanes tp[16], fp[16], fp_everywhere; /* up to the detection that is looked at */
    Lanes best_tp[16], best_fp[16];      /* where precision peaks from there on */
    Lanes needed[16];                    /* tp of the recall that is reached next */
    int step[16][LANES];                 /* index of that recall; -1 where all are done */
} LaneCounts;

/* Count a true positive with threshold t, last one first; 1 where a recall may be passed. */
static inline int count_true_positive(LaneCounts *s, int t, const double *weight) {
    double *tp = s->tp[t], *best_tp = s->best_tp[t];
    double *best_fp = s->best_fp[t];
    const double *fp = s->fp[t], *common = s->fp_everywhere;
    const double *needed = s->needed[t];
    int64_t passed = 0; /* as wide as a lane, so that the loop becomes vector instructions */
    INDEPENDENT
    for (int l = 0; l < LANES; l++) {
        double right = tp[l], wrong = fp[l] + common[l];
        double best_right = best_tp[l], best_wrong = best_fp[l];
        int64_t is_better = right * best_wrong > best_right * wrong;
        best_tp[l] = is_better ? right : best_right;
        best_fp[l] = is_better ? wrong : best_wrong;
        right -= weight[l];
        tp[l] = right;
        passed |= (int64_t)(right < needed[l]);
    }
    return passed != 0;
}

static inline void subtract_lanes(double *from, const double *weight) {
    INDEPENDENT
    for (int l = 0; l < LANES; l++) from[l] -= weight[l];
}

static inline void add_product(double *to, const double *weight, double factor) {
    INDEPENDENT
    for (int l = 0; l < LANES; l++) to[l] += weight[l] * factor;
}

/* Write the precision of all recalls of lane l that the remaining true positives do not reach. */
static void write_passed(LaneCounts *s, int t, int l, const double *needed, double *precision) {
    double right = s->best_tp[t][l], value = right / (s->best_fp[t][l] + right + TINY);
    int step = s->step[t][l];
    while (step >= 0 && s->tp[t][l] < needed[step]) precision[step--] = value;
    s->step[t][l] = step;
    s->needed[t][l] = step < 0 ? -1.0 : needed[step];
}

/* Compute the curves of `LANES` resamples.
 * weights: (images, LANES); totals: (images, 2 levels + 1) true positives and false positives by
 * threshold, and those that are false at all thresholds; needed: (LANES, steps) true positives of
 * each recall. precision: (LANES, levels, steps); it is 0 where nothing is written. */
FOR_EACH_PROCESSOR
static void resample_lanes(const ClassDetections *of, const double *weights, const int32_t *totals,
                           const double *needed, Py_ssize_t steps, LaneCounts *s,
                           double *precision, double *reached) {
    const uint16_t everywhere = (uint16_t)((1u << of->levels) - 1);
    int levels = of->levels, width = 2 * levels + 1;
    memset(s, 0, sizeof *s);
    for (Py_ssize_t m = 0; m < of->images; m++) {
        const int32_t *total = totals + m * width;
        for (int t = 0; t < levels; t++) {
            if (total[t]) add_product(s->tp[t], weights + m * LANES, total[t]);
            if (total[levels + t]) add_product(s->fp[t], weights + m * LANES, total[levels + t]);
        }
        if (total[2 * levels]) add_product(s->fp_everywhere, weights + m * LANES, total[2 * levels]);
    }
    for (int t = 0; t < levels; t++) {
        for (int l = 0; l < LANES; l++) {
            Py_ssize_t step = steps - 1;
            reached[l * levels + t] = s->tp[t][l];
            while (step >= 0 && s->tp[t][l] < needed[l * steps + step]) step--;
            s->step[t][l] = (int)step;
            s->needed[t][l] = step < 0 ? -1.0 : needed[l * steps + step];
            s->best_fp[t][l] = 1.0; /* a precision of 0 */
        }
    }
    for (Py_ssize_t i = of->n - 1; i >= 0; i--) {
        const double *weight = weights + of->image[i] * (Py_ssize_t)LANES;
        uint16_t h = of->true_positives[i], f = of->false_positives[i];
        if (!h && f == everywhere) {
            subtract_lanes(s->fp_everywhere, weight);
            continue;
        }
        for (int t = 0; t < levels; t++) {
            if (f >> t & 1) subtract_lanes(s->fp[t], weight);
            if (!(h >> t & 1) || !count_true_positive(s, t, weight)) continue;
            for (int l = 0; l < LANES; l++)
                if (s->tp[t][l] < s->needed[t][l])
                    write_passed(s, t, l, needed + l * steps, precision + (l * levels + t) * steps);
        }
    }
}

/* Count true and false positives image by image, as resample_lanes reads them. */
static void count_totals(const ClassDetections *of, int32_t *totals) {
    const uint16_t everywhere = (uint16_t)((1u << of->levels) - 1);
    int levels = of->levels, width = 2 * levels + 1;
    for (Py_ssize_t i = 0; i < of->n; i++) {
        uint16_t h = of->true_positives[i], f = of->false_positives[i];
        int32_t *total = totals + of->image[i] * (Py_ssize_t)width;
        if (!h && f == everywhere) {
            total[2 * levels]++;
            continue;
        }
        for (int t = 0; t < levels; t++) {
            total[t] += h >> t & 1;
            total[levels + t] += f >> t & 1;
        }
    }
}

/* Compute for each recall the smallest number of true positives, at least 1, that reaches it. */
static void count_needed(int64_t people, const double *recalls, Py_ssize_t steps, double *needed) {
    double all = (double)people, count = 1.0;
    for (Py_ssize_t r = 0; r < steps; r++) {
        double guess = floor(recalls[r] * all) - 1.0;
        if (guess > count) count = guess;
        while (count / all < recalls[r]) count += 1.0;
        needed[r] = count;
    }
}

typedef struct {
    double *weights, *needed, *precision, *reached;
    int32_t *totals;
    LaneCounts *counts;
} LaneBuffers;

static void free_lanes(LaneBuffers *s) {
    free(s->weights);
    free(s->needed);
    free(s->precision);
    free(s->reached);
    free(s->totals);
    free(s->counts);
}

/* Make room for a class; return -1 without memory. */
static int reserve_lanes(LaneBuffers *s, Py_ssize_t images, int levels, Py_ssize_t steps) {
    size_t m = (size_t)images, t = (size_t)levels, r = (size_t)steps;
    s->weights = malloc((m * LANES + 1) * sizeof(double));
    s->needed = malloc((LANES * r + 1) * sizeof(double));
    s->precision = malloc((LANES * t * r + 1) * sizeof(double));
    s->reached = malloc((LANES * t + 1) * sizeof(double));
    s->totals = calloc(m * (2 * t + 1) + 1, sizeof(int32_t));
    s->counts = malloc(sizeof(LaneCounts));
    if (s->weights && s->needed && s->precision && s->reached && s->totals && s->counts) return 0;
    free_lanes(s);
    return -1;
}

/* resample_curves(true_positives, false_positives, image, weights, num_people, recalls,
 *                 num_thresholds, num_images, first, last, precision, recall)
 * The curves of one class under resamples first … last - 1, each a weight per image. Detections
 * come by falling score; one with weight w counts as w copies of itself side by side. From the last
 * detection to the first, so that the highest precision at a recall or above is known there. */
static PyObject *resample_curves(PyObject *self, PyObject *args) {
    Py_buffer b[8];
    Py_ssize_t images, first, last;
    int levels;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*innnw*w*", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
                          &levels, &images, &first, &last, &b[6], &b[7]))
        return NULL;
    const uint16_t *weights = b[3].buf;
    const int64_t *people = b[4].buf;
    const double *recalls = b[5].buf;
    double *precision = b[6].buf, *recall = b[7].buf;
    Py_ssize_t steps = b[5].len / (Py_ssize_t)sizeof(double), curve = levels * steps;
    ClassDetections of = {b[0].buf, b[1].buf, b[2].buf, b[0].len / (Py_ssize_t)sizeof(uint16_t),
                          images, levels};
    LaneBuffers s;
    if (reserve_lanes(&s, images, levels, steps) < 0) {
        release(b, 8);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    count_totals(&of, s.totals);
    for (Py_ssize_t draw = first; draw < last; draw += LANES) {
        Py_ssize_t used = last - draw < LANES ? last - draw : LANES;
        for (Py_ssize_t m = 0; m < images; m++)
            for (Py_ssize_t l = 0; l < LANES; l++)
                s.weights[m * LANES + l] = l < used ? weights[(draw + l) * images + m] : 0;
        for (Py_ssize_t l = 0; l < LANES; l++)
            count_needed(l < used && people[draw + l] ? people[draw + l] : 1, recalls, steps,
                         s.needed + l * steps);
        memset(s.precision, 0, (size_t)(LANES * curve) * sizeof(double));
        resample_lanes(&of, s.weights, s.totals, s.needed, steps, s.counts, s.precision, s.reached);
        for (Py_ssize_t l = 0; l < used; l++) {
            int64_t all = people[draw + l];
            for (Py_ssize_t r = 0; r < curve; r++)
                precision[(draw + l) * curve + r] = all ? s.precision[l * curve + r] : -1.0;
            for (int t = 0; t < levels; t++)
                recall[(draw + l) * levels + t] = all ? s.reached[l * levels + t] / (double)all : -1.0;
        }
    }
    Py_END_ALLOW_THREADS
    free_lanes(&s);
    release(b, 8);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"find_near_pairs", find_near_pairs, METH_VARARGS, "Find pairs that may be near enough."},
    {"keep_candidates", keep_candidates, METH_VARARGS, "Keep the pairs that are near enough."},
    {"match_candidates", match_candidates, METH_VARARGS, "Match detections with people."},
    {"rank_candidates", rank_candidates, METH_VARARGS, "Sort the candidates of detections."},
    {"match_ranked", match_ranked, METH_VARARGS, "Match detections with sorted candidates."},
    {"sort_rows", sort_rows, METH_VARARGS, "Sort rows by a value."},
    {"sort_by_image", sort_by_image, METH_VARARGS, "Sort detections by image and score."},
    {"find_owners", find_owners, METH_VARARGS, "Find the person of each false positive."},
    {"accumulate_matches", accumulate_matches, METH_VARARGS, "Compute the curves of a class."},
    {"accumulate_changes", accumulate_changes, METH_VARARGS, "Compute the curves of a slice."},
    {"find_components", find_components, METH_VARARGS, "Find what pairs connect."},
    {"measure_share_outside", measure_share_outside, METH_VARARGS, "Find joints beyond boxes."},
    {"resample_curves", resample_curves, METH_VARARGS, "Compute the curves under weights."},
    {"box_around_poses", box_around_poses, METH_VARARGS, "Compute boxes around poses."},
    {"count_people", count_people, METH_VARARGS, "Count people by image and class."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_native", "compiled loops of smallpose.evaluation", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
