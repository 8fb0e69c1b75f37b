/* The pixel loops of filling.py, which has a NumPy twin of each that gives the same bytes.
 *
 * Arrays come as contiguous buffers whose types and sizes filling.py has made sure of.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ONE 8 /* units of a point's coordinates per pixel */

typedef struct {
    int32_t x, y;
} Point;

static void release(Py_buffer *buffers, int n) {
    for (int i = 0; i < n; i++) PyBuffer_Release(&buffers[i]);
}

static uint64_t words(const uint8_t *bytes) { /* eight bytes at once */
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

static int has_zero(uint64_t word) { /* is one of the eight bytes 0 */
    return ((word - 0x0101010101010101u) & ~word & 0x8080808080808080u) != 0;
}

static int64_t floor_div(int64_t a, int64_t b) { /* b > 0 */
    int64_t q = a / b;
    return q - (a % b < 0);
}

static int by_place(const void *a, const void *b) {
    const Point *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return p->y < q->y ? -1 : p->y > q->y;
}

static int turns_right(Point a, Point b, Point c) { /* or goes straight on */
    return (int64_t)(b.x - a.x) * (c.y - a.y) - (int64_t)(b.y - a.y) * (c.x - a.x) <= 0;
}

/* The convex hull of n points, which are sorted on the way; `hull` has room for 2n. */
static int32_t hull_of(Point *points, int32_t n, Point *hull) {
    qsort(points, (size_t)n, sizeof(Point), by_place);
    int32_t k = 0;
    for (int32_t i = 0; i < n; i++) {
        while (k > 1 && turns_right(hull[k - 2], hull[k - 1], points[i])) k--;
        hull[k++] = points[i];
    }
    for (int32_t i = n - 2, lower = k; i >= 0; i--) {
        while (k > lower && turns_right(hull[k - 2], hull[k - 1], points[i])) k--;
        hull[k++] = points[i];
    }
    return k > 1 ? k - 1 : k;
}

/* Pixels whose centres lie in the convex polygon or on its edge; `low`, `high` have `h` rows. */
static void fill_one(uint16_t *canvas, int64_t h, int64_t w, const Point *p, int32_t n,
                     uint16_t colour, int64_t *low, int64_t *high) {
    int32_t top = p[0].y, bottom = p[0].y;
    for (int32_t i = 1; i < n; i++) {
        if (p[i].y < top) top = p[i].y;
        if (p[i].y > bottom) bottom = p[i].y;
    }
    int64_t first = -floor_div(-(int64_t)top, ONE), last = floor_div(bottom, ONE);
    if (first < 0) first = 0;
    if (last > h - 1) last = h - 1;
    for (int64_t y = first; y <= last; y++) {
        low[y] = INT64_MAX;
        high[y] = INT64_MIN;
    }
    for (int32_t i = 0; i < n; i++) {
        Point a = p[i], b = p[i + 1 < n ? i + 1 : 0];
        if (a.y == b.y) continue;
        if (a.y > b.y) {
            Point c = a;
            a = b;
            b = c;
        }
        int64_t from = -floor_div(-(int64_t)a.y, ONE), to = floor_div(b.y, ONE);
        if (from < first) from = first;
        if (to > last) to = last;
        if (from > to) continue;
        /* x of the edge on row y is at / (dy * ONE) px; it moves by dx * ONE / (dy * ONE) a row. */
        int64_t dy = (int64_t)b.y - a.y, dx = (int64_t)b.x - a.x, unit = dy * ONE;
        int64_t at = a.x * dy + dx * (from * ONE - a.y);
        int64_t x = floor_div(at, unit), rest = at - x * unit;
        int64_t step = floor_div(dx * ONE, unit), more = dx * ONE - step * unit;
        for (int64_t y = from; y <= to; y++) {
            int64_t up = x + (rest > 0);
            if (up < low[y]) low[y] = up;
            if (x > high[y]) high[y] = x;
            x += step;
            rest += more;
            if (rest >= unit) {
                rest -= unit;
                x++;
            }
        }
    }
    for (int64_t y = first; y <= last; y++) {
        int64_t x1 = low[y] < 0 ? 0 : low[y], x2 = high[y] > w - 1 ? w - 1 : high[y];
        uint16_t *row = canvas + y * w;
        for (int64_t x = x1; x <= x2; x++) row[x] = colour;
    }
}

/* fill(canvases, places, points, polygons, colours): canvases one after the other, each at places
 * (offset, height, width); polygons (canvas, first point, points, hull or not) in order. */
static PyObject *fill(PyObject *self, PyObject *args) {
    Py_buffer b[5];
    if (!PyArg_ParseTuple(args, "w*y*y*y*y*", &b[0], &b[1], &b[2], &b[3], &b[4])) return NULL;
    uint16_t *canvases = b[0].buf;
    const int64_t *places = b[1].buf;
    const Point *points = b[2].buf;
    const int32_t *polygons = b[3].buf;
    const uint16_t *colours = b[4].buf;
    Py_ssize_t count = b[4].len / (Py_ssize_t)sizeof(uint16_t);
    int64_t tallest = 1;
    int32_t most = 1;
    for (Py_ssize_t i = 0; i < b[1].len / (Py_ssize_t)(3 * sizeof(int64_t)); i++)
        if (places[3 * i + 1] > tallest) tallest = places[3 * i + 1];
    for (Py_ssize_t i = 0; i < count; i++)
        if (polygons[4 * i + 2] > most) most = polygons[4 * i + 2];
    int64_t *rows = malloc(2 * (size_t)tallest * sizeof(int64_t));
    Point *room = malloc(3 * (size_t)most * sizeof(Point));
    if (!rows || !room) {
        free(rows);
        free(room);
        release(b, 5);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const int32_t *q = polygons + 4 * i;
        const int64_t *place = places + 3 * q[0];
        const Point *shape = points + q[1];
        int32_t n = q[2];
        if (q[3]) {
            memcpy(room, shape, (size_t)n * sizeof(Point));
            n = hull_of(room, n, room + most);
            shape = room + most;
        }
        fill_one(canvases + place[0], place[1], place[2], shape, n, colours[i], rows,
                 rows + tallest);
    }
    free(rows);
    free(room);
    release(b, 5);
    Py_RETURN_NONE;
}

/* One row of a sprite; inlined for each `over`, so that the inner loops have fixed lengths. */
static inline void average_row(const uint16_t *from, const uint64_t *packed, const uint64_t blank,
                               const int over, const int shift, Py_ssize_t width, uint8_t *colour,
                               uint8_t *cover, uint8_t *tone, uint8_t *parts) {
    const unsigned half = (1u << shift) >> 1;
    const Py_ssize_t wide = width * over;
    const Py_ssize_t skip = 4 / over; /* pixels of the sprite that eight bytes of a row make */
    for (Py_ssize_t x = 0; x < width; x++, from += over) {
        /* Most of a canvas is as it began, and so is what is made of it. */
        if (x + skip <= width) {
            int empty = 1;
            for (int j = 0; j < over; j++)
                empty &= words((const uint8_t *)(from + j * wide)) == blank;
            if (empty) {
                x += skip - 1;
                from += (skip - 1) * over;
                continue;
            }
        }
        uint64_t sum = 0;
        unsigned bright = 0;
        for (int j = 0; j < over; j++)
            for (int i = 0; i < over; i++) {
                unsigned value = from[j * wide + i];
                sum += packed[value & 255];
                bright += value >> 8;
            }
        for (int c = 0; c < 3; c++)
            colour[3 * x + c] = (uint8_t)(((unsigned)(sum >> (16 * c) & 0xffff) + half) >> shift);
        cover[x] = (uint8_t)(((unsigned)(sum >> 48) * 255 + half) >> shift);
        tone[x] = (uint8_t)((bright + half) >> shift);
        parts[x] = (uint8_t)(from[over / 2 * wide + over / 2] & 255);
    }
}

/* average(canvas, table, over, width, empty, colour, cover, tone, parts): see filling.average;
 * colour, cover and parts are zeros and tone is what `empty` makes. */
static PyObject *average(PyObject *self, PyObject *args) {
    Py_buffer b[6];
    int over;
    Py_ssize_t width;
    unsigned empty;
    if (!PyArg_ParseTuple(args, "y*y*inIw*w*w*w*", &b[0], &b[1], &over, &width, &empty, &b[2],
                          &b[3], &b[4], &b[5]))
        return NULL;
    const uint64_t blank = (uint64_t)empty * 0x0001000100010001u;
    const uint16_t *canvas = b[0].buf;
    const uint8_t *table = b[1].buf;
    uint8_t *colour = b[2].buf, *cover = b[3].buf, *tone = b[4].buf, *parts = b[5].buf;
    Py_ssize_t height = width ? b[3].len / width : 0;
    /* Red, green, blue and whether there is anything, 16 bits each, so that one sum adds all. */
    uint64_t packed[256];
    for (int i = 0; i < 256; i++)
        packed[i] = table[3 * i] | (uint64_t)table[3 * i + 1] << 16 |
                    (uint64_t)table[3 * i + 2] << 32 | (uint64_t)(i > 0) << 48;
    for (Py_ssize_t y = 0; y < height; y++) {
        const uint16_t *from = canvas + y * over * width * over;
        Py_ssize_t at = y * width;
        if (over == 1)
            average_row(from, packed, blank, 1, 0, width, colour + 3 * at, cover + at, tone + at,
                        parts + at);
        else if (over == 2)
            average_row(from, packed, blank, 2, 2, width, colour + 3 * at, cover + at, tone + at,
                        parts + at);
        else
            average_row(from, packed, blank, 4, 4, width, colour + 3 * at, cover + at, tone + at,
                        parts + at);
    }
    release(b, 6);
    Py_RETURN_NONE;
}

/* shade(colour, tone, tones): see filling.shade. */
static PyObject *shade(PyObject *self, PyObject *args) {
    Py_buffer b[3];
    if (!PyArg_ParseTuple(args, "w*y*y*", &b[0], &b[1], &b[2])) return NULL;
    uint8_t *colour = b[0].buf;
    const uint8_t *tone = b[1].buf, *tones = b[2].buf;
    for (Py_ssize_t i = 0; i < b[1].len; i++) {
        if (i + 8 <= b[1].len && !words(colour + 3 * i) && !words(colour + 3 * i + 8) &&
            !words(colour + 3 * i + 16)) {
            i += 7;
            continue;
        }
        const uint8_t *by = tones + 3 * tone[i];
        for (int c = 0; c < 3; c++) {
            unsigned value = ((unsigned)colour[3 * i + c] * by[c] + 64) >> 7;
            colour[3 * i + c] = (uint8_t)(value < 255 ? value : 255);
        }
    }
    release(b, 3);
    Py_RETURN_NONE;
}

/* lay(image, owner, parts, width, x, y, w, colour, cover, drawn, number, first, last): see
 * filling.lay. */
static PyObject *lay(PyObject *self, PyObject *args) {
    Py_buffer b[6];
    Py_ssize_t width, x, y, w;
    int number, first, last;
    if (!PyArg_ParseTuple(args, "w*w*w*nnnny*y*y*iii", &b[0], &b[1], &b[2], &width, &x, &y, &w,
                          &b[3], &b[4], &b[5], &number, &first, &last))
        return NULL;
    const uint8_t *colour = b[3].buf, *cover = b[4].buf, *drawn = b[5].buf;
    Py_ssize_t h = w ? b[4].len / w : 0;
    for (Py_ssize_t row = 0; row < h; row++) {
        uint8_t *under = (uint8_t *)b[0].buf + 3 * ((y + row) * width + x);
        int16_t *owner = (int16_t *)b[1].buf + (y + row) * width + x;
        uint8_t *parts = (uint8_t *)b[2].buf + (y + row) * width + x;
        for (Py_ssize_t i = 0; i < w;) {
            /* Most of a sprite is empty or solid, eight pixels at a time. */
            Py_ssize_t stop = i + 8 < w ? i + 8 : w;
            int whole = stop == i + 8;
            uint64_t share = whole ? words(cover + i) : 1;
            if (share == 0 && !words(drawn + i)) {
                i = stop;
                continue;
            }
            if (share == UINT64_MAX) {
                memcpy(under + 3 * i, colour + 3 * i, 24);
                if (first > last && !has_zero(words(drawn + i))) {
                    memcpy(parts + i, drawn + i, 8);
                    for (; i < stop; i++) owner[i] = (int16_t)number;
                    continue;
                }
            } else {
                for (Py_ssize_t k = i; k < stop; k++)
                    for (int c = 0; c < 3; c++) {
                        unsigned value = ((unsigned)under[3 * k + c] * (255u - cover[k]) + 127) / 255 +
                                         colour[3 * k + c];
                        under[3 * k + c] = (uint8_t)(value < 255 ? value : 255);
                    }
            }
            for (; i < stop; i++)
                if (drawn[i]) {
                    parts[i] = drawn[i];
                    owner[i] = (int16_t)(drawn[i] >= first && drawn[i] <= last ? -1 : number);
                }
        }
        colour += 3 * w;
        cover += w;
        drawn += w;
    }
    release(b, 6);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"fill", fill, METH_VARARGS, "polygons into canvases"},
    {"average", average, METH_VARARGS, "a canvas as a sprite"},
    {"shade", shade, METH_VARARGS, "colours by brightness"},
    {"lay", lay, METH_VARARGS, "a sprite over a image"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_fill", "compiled loops of smallpose.synthetic", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__fill(void) { return PyModule_Create(&module); }
