/* Annotation records as JSON text, the same bytes as the JSON library would write.
 *
 * Nearly all numbers of a data set are whole or have few decimals, and those are printed here; the
 * others are left to Python's shortest representation, written with the library's exponents.
 */
#include "_json.h"

#include <math.h>

#define WIDEST 32 /* bytes of the longest number */

static char *print_whole(char *p, uint64_t value) {
    char digits[20];
    int n = 0;
    do digits[n++] = (char)('0' + value % 10), value /= 10;
    while (value);
    while (n) *p++ = digits[--n];
    return p;
}

static char *print_integer(char *p, int64_t value) {
    if (value < 0) *p++ = '-';
    return print_whole(p, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Python's shortest digits; NULL with an exception when there is no memory. */
static char *print_any(char *p, double value) {
    char *text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (!text) return NULL;
    char *e = strchr(text, 'e');
    if (!e) {
        size_t n = strlen(text);
        memcpy(p, text, n);
        p += n;
    } else {
        int power = atoi(e + 1);
        *e = 0;
        char *q = text;
        if (*q == '-') *p++ = *q++;
        if (power == -5) { /* the library writes 0.000015 and 1.5e-6 */
            memcpy(p, "0.0000", 6);
            p += 6;
            for (; *q; q++)
                if (*q != '.') *p++ = *q;
        } else {
            size_t n = strlen(q);
            memcpy(p, q, n);
            p += n;
            *p++ = 'e';
            p = print_integer(p, power);
        }
    }
    PyMem_Free(text);
    return p;
}

/* As many decimals as bring the number back, at most four; two different decimals of at most 15
 * digits are never the same double, so what comes back is the shortest. */
static char *print_number(char *p, double value) {
    static const double scale[] = {1.0, 10.0, 100.0, 1000.0, 10000.0};
    if (!isfinite(value)) {
        memcpy(p, "null", 4);
        return p + 4;
    }
    double size = fabs(value);
    if (size < 1e11) {
        for (int k = 0; k < 5; k++) {
            double whole = floor(size * scale[k] + 0.5);
            if (whole / scale[k] != size) continue;
            if (signbit(value)) *p++ = '-';
            uint64_t digits = (uint64_t)whole, unit = (uint64_t)scale[k];
            p = print_whole(p, digits / unit);
            *p++ = '.';
            if (k == 0) {
                *p++ = '0';
                return p;
            }
            digits %= unit;
            for (int place = k; place--; digits /= 10) p[place] = (char)('0' + digits % 10);
            return p + k;
        }
    }
    return print_any(p, value);
}

static char *print_text(char *p, const char *text) {
    size_t n = strlen(text);
    memcpy(p, text, n);
    return p + n;
}

/* The number's word in "one\0two\0". */
static const char *word_of(const char *known, Py_ssize_t size, int number) {
    const char *at = known;
    while (number-- > 0 && at < known + size) at += strlen(at) + 1;
    return at < known + size ? at : "";
}

typedef struct {
    const int64_t *id, *image, *count;
    const double *box, *area, *points, *mask;
    const uint8_t *crowd, *made; /* made: (n, k) or NULL */
    const int8_t *source, *rule;
    const char *sources, *rules;
    Py_ssize_t category, k, sources_size, rules_size;
} Rows;

static char *print_numbers(char *p, const double *values, Py_ssize_t n) {
    for (Py_ssize_t i = 0; p && i < n; i++) {
        if (i) *p++ = ',';
        p = print_number(p, values[i]);
    }
    return p;
}

/* x, y as they are and v whole, of every joint. */
static char *print_keypoints(char *p, const double *point, Py_ssize_t k) {
    for (Py_ssize_t joint = 0; p && joint < k; joint++, point += 3) {
        if (joint) *p++ = ',';
        if ((p = print_numbers(p, point, 2))) {
            *p++ = ',';
            p = print_integer(p, (int64_t)point[2]);
        }
    }
    return p;
}

static char *print_word(char *p, const char *key, const char *known, Py_ssize_t size, int number) {
    if (number == 0) return p;
    p = print_text(print_text(p, key), word_of(known, size, number));
    *p++ = '"';
    return p;
}

/* Joints that were made up, counted from 1. */
static char *print_made(char *p, const uint8_t *made, Py_ssize_t k) {
    int any = 0;
    for (Py_ssize_t joint = 0; made && joint < k; joint++) {
        if (!made[joint]) continue;
        p = print_integer(print_text(p, any ? "," : ",\"derived\":["), joint + 1);
        any = 1;
    }
    return any ? print_text(p, "]") : p;
}

static char *print_record(char *p, const Rows *r, Py_ssize_t row) {
    p = print_integer(print_text(p, "{\"id\":"), r->id[row]);
    p = print_integer(print_text(p, ",\"image_id\":"), r->image[row]);
    p = print_integer(print_text(p, ",\"category_id\":"), r->category);
    if (!(p = print_numbers(print_text(p, ",\"bbox\":["), r->box + 4 * row, 4))) return NULL;
    if (!(p = print_number(print_text(p, "],\"area\":"), r->area[row]))) return NULL;
    p = print_integer(print_text(p, ",\"iscrowd\":"), r->crowd[row] != 0);
    p = print_integer(print_text(p, ",\"num_keypoints\":"), r->count[row]);
    p = print_text(p, ",\"keypoints\":[");
    if (!(p = print_keypoints(p, r->points + 3 * r->k * row, r->k))) return NULL;
    *p++ = ']';
    p = print_word(p, ",\"source\":\"", r->sources, r->sources_size, r->source[row]);
    p = print_word(p, ",\"box_rule\":\"", r->rules, r->rules_size, r->rule[row]);
    double mask = r->mask[row];
    if (mask == mask && !(p = print_number(print_text(p, ",\"segmentation_area\":"), mask)))
        return NULL;
    p = print_made(p, r->made ? r->made + row * r->k : NULL, r->k);
    *p++ = '}';
    return p;
}

/* people(id, image, category, boxes, areas, crowd, counts, keypoints, source, rule, masks, sources,
 *        rules, k, made) -> the records, ",\n" between them */
static PyObject *people(PyObject *self, PyObject *args) {
    Py_buffer b[13];
    Rows r;
    if (!PyArg_ParseTuple(args, "y*y*ny*y*y*y*y*y*y*y*y*y*ny*", &b[0], &b[1], &r.category, &b[2], &b[3],
                          &b[4], &b[5], &b[6], &b[7], &b[8], &b[9], &b[10], &b[11], &r.k, &b[12]))
        return NULL;
    r.id = b[0].buf, r.image = b[1].buf, r.box = b[2].buf, r.area = b[3].buf, r.crowd = b[4].buf;
    r.count = b[5].buf, r.points = b[6].buf, r.source = b[7].buf, r.rule = b[8].buf;
    r.mask = b[9].buf, r.sources = b[10].buf, r.rules = b[11].buf;
    r.sources_size = b[10].len, r.rules_size = b[11].len, r.made = b[12].len ? b[12].buf : NULL;
    Py_ssize_t n = b[0].len / (Py_ssize_t)sizeof(int64_t);
    size_t longest = 340 + (size_t)(b[10].len + b[11].len) + WIDEST * (10 + 4 * (size_t)r.k);
    char *text = malloc((size_t)n * longest + 1), *p = text;
    PyObject *out = text ? NULL : PyErr_NoMemory();
    for (Py_ssize_t row = 0; p && row < n; row++) {
        if (row) p = print_text(p, ",\n");
        p = print_record(p, &r, row);
    }
    if (p) out = PyBytes_FromStringAndSize(text, p - text);
    free(text);
    for (int i = 0; i < 13; i++) PyBuffer_Release(&b[i]);
    return out;
}

PyMethodDef write_methods[] = {
    {"people", people, METH_VARARGS, "annotation records as text"},
    {NULL, NULL, 0, NULL},
};
