/* Write annotation records as JSON text, the same bytes as the JSON library.
 *
 * Nearly all numbers of a data set are integers or have few decimals; they are printed here. The
 * others are printed by Python in its shortest representation, with the library's exponents.
 */
#include "_json.h"

#include <math.h>

#define MAX_NUMBER_BYTES 32

static char *print_digits(char *p, uint64_t value) {
    char digits[20];
    int n = 0;
    do digits[n++] = (char)('0' + value % 10), value /= 10;
    while (value);
    while (n) *p++ = digits[--n];
    return p;
}

static char *print_integer(char *p, int64_t value) {
    if (value < 0) *p++ = '-';
    return print_digits(p, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Print Python's shortest digits; NULL with an exception when there is no memory. */
static char *print_shortest(char *p, double value) {
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

/* Print as few decimals as reproduce the number, up to four. Two different decimals of at most 15
 * digits are never the same double, so this is the shortest representation. */
static char *print_number(char *p, double value) {
    static const double scale[] = {1.0, 10.0, 100.0, 1000.0, 10000.0};
    if (!isfinite(value)) {
        memcpy(p, "null", 4);
        return p + 4;
    }
    double size = fabs(value);
    if (size < 1e11) {
        for (int k = 0; k < 5; k++) {
            double scaled = floor(size * scale[k] + 0.5);
            if (scaled / scale[k] != size) continue;
            if (signbit(value)) *p++ = '-';
            uint64_t digits = (uint64_t)scaled, unit = (uint64_t)scale[k];
            p = print_digits(p, digits / unit);
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
    return print_shortest(p, value);
}

#define UNITS_PER_PIXEL 10000 /* see core/packed_keypoints.py */

/* Print ten-thousandths as `print_number` prints the double that they are. */
static char *print_packed(char *p, int32_t units) {
    if (units < 0) *p++ = '-';
    uint32_t size = units < 0 ? 0 - (uint32_t)units : (uint32_t)units;
    uint32_t fraction = size % UNITS_PER_PIXEL;
    p = print_digits(p, size / UNITS_PER_PIXEL);
    *p++ = '.';
    uint32_t unit = UNITS_PER_PIXEL / 10;
    do {
        *p++ = (char)('0' + fraction / unit);
        fraction %= unit;
        unit /= 10;
    } while (fraction);
    return p;
}

static char *print_text(char *p, const char *text) {
    size_t n = strlen(text);
    memcpy(p, text, n);
    return p + n;
}

/* Return the word with that index in "one\0two\0". */
static const char *find_word(const char *known, Py_ssize_t size, int index) {
    const char *word = known;
    while (index-- > 0 && word < known + size) word += strlen(word) + 1;
    return word < known + size ? word : "";
}

typedef struct {
    const int64_t *ids, *image_ids, *num_keypoints;
    const double *boxes, *areas, *keypoints, *segmentation_areas;
    const int32_t *packed;            /* (n, k, 2) in place of keypoints, with visibility (n, k) */
    const uint8_t *visibility;        /* NULL where keypoints are not packed */
    const uint8_t *iscrowd, *derived; /* derived: (n, k) or NULL */
    const int8_t *sources, *box_rules;
    const char *source_names, *rule_names;
    Py_ssize_t category_id, k, source_names_size, rule_names_size;
} Rows;

static char *print_numbers(char *p, const double *values, Py_ssize_t n) {
    for (Py_ssize_t i = 0; p && i < n; i++) {
        if (i) *p++ = ',';
        p = print_number(p, values[i]);
    }
    return p;
}

/* Print x, y and v of every joint; v as an integer. */
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

/* The same of packed keypoints. */
static char *print_packed_keypoints(char *p, const int32_t *xy, const uint8_t *v, Py_ssize_t k) {
    for (Py_ssize_t joint = 0; joint < k; joint++, xy += 2) {
        if (joint) *p++ = ',';
        if (!(xy[0] | xy[1] | v[joint])) {
            p = print_text(p, "0.0,0.0,0");
            continue;
        }
        p = print_packed(p, xy[0]);
        *p++ = ',';
        p = print_packed(p, xy[1]);
        *p++ = ',';
        p = print_digits(p, v[joint]);
    }
    return p;
}

static char *print_word(char *p, const char *key, const char *known, Py_ssize_t size, int index) {
    if (index == 0) return p;
    p = print_text(print_text(p, key), find_word(known, size, index));
    *p++ = '"';
    return p;
}

/* Print the derived joints, counted from 1. */
static char *print_derived(char *p, const uint8_t *derived, Py_ssize_t k) {
    int any = 0;
    for (Py_ssize_t joint = 0; derived && joint < k; joint++) {
        if (!derived[joint]) continue;
        p = print_integer(print_text(p, any ? "," : ",\"derived\":["), joint + 1);
        any = 1;
    }
    return any ? print_text(p, "]") : p;
}

static char *print_record(char *p, const Rows *r, Py_ssize_t row) {
    p = print_integer(print_text(p, "{\"id\":"), r->ids[row]);
    p = print_integer(print_text(p, ",\"image_id\":"), r->image_ids[row]);
    p = print_integer(print_text(p, ",\"category_id\":"), r->category_id);
    if (!(p = print_numbers(print_text(p, ",\"bbox\":["), r->boxes + 4 * row, 4))) return NULL;
    if (!(p = print_number(print_text(p, "],\"area\":"), r->areas[row]))) return NULL;
    p = print_integer(print_text(p, ",\"iscrowd\":"), r->iscrowd[row] != 0);
    p = print_integer(print_text(p, ",\"num_keypoints\":"), r->num_keypoints[row]);
    p = print_text(p, ",\"keypoints\":[");
    Py_ssize_t first = r->k * row;
    p = r->visibility
            ? print_packed_keypoints(p, r->packed + 2 * first, r->visibility + first, r->k)
            : print_keypoints(p, r->keypoints + 3 * first, r->k);
    if (!p) return NULL;
    *p++ = ']';
    p = print_word(p, ",\"source\":\"", r->source_names, r->source_names_size, r->sources[row]);
    p = print_word(p, ",\"box_rule\":\"", r->rule_names, r->rule_names_size, r->box_rules[row]);
    double area = r->segmentation_areas[row];
    if (area == area && !(p = print_number(print_text(p, ",\"segmentation_area\":"), area)))
        return NULL;
    p = print_derived(p, r->derived ? r->derived + row * r->k : NULL, r->k);
    *p++ = '}';
    return p;
}

/* encode_annotations(ids, image_ids, category_id, boxes, areas, iscrowd, num_keypoints, keypoints,
 *                    visibility, sources, box_rules, segmentation_areas, source_names, rule_names,
 *                    k, derived)
 *     -> the records, with ",\n" between them. With visibility, keypoints are packed x and y. */
static PyObject *encode_annotations(PyObject *self, PyObject *args) {
    Py_buffer b[14];
    Rows r;
    if (!PyArg_ParseTuple(args, "y*y*ny*y*y*y*y*y*y*y*y*y*y*ny*", &b[0], &b[1], &r.category_id, &b[2],
                          &b[3], &b[4], &b[5], &b[6], &b[7], &b[8], &b[9], &b[10], &b[11], &b[12],
                          &r.k, &b[13]))
        return NULL;
    r.ids = b[0].buf;
    r.image_ids = b[1].buf;
    r.boxes = b[2].buf;
    r.areas = b[3].buf;
    r.iscrowd = b[4].buf;
    r.num_keypoints = b[5].buf;
    r.keypoints = b[6].buf;
    r.packed = b[6].buf;
    r.visibility = b[7].len ? b[7].buf : NULL;
    r.sources = b[8].buf;
    r.box_rules = b[9].buf;
    r.segmentation_areas = b[10].buf;
    r.source_names = b[11].buf;
    r.source_names_size = b[11].len;
    r.rule_names = b[12].buf;
    r.rule_names_size = b[12].len;
    r.derived = b[13].len ? b[13].buf : NULL;
    Py_ssize_t n = b[0].len / (Py_ssize_t)sizeof(int64_t);
    /* Keys, words, and all numbers of a record. */
    size_t max_bytes = 340 + (size_t)(b[11].len + b[12].len);
    max_bytes += MAX_NUMBER_BYTES * (10 + 4 * (size_t)r.k);
    char *text = malloc((size_t)n * max_bytes + 1), *p = text;
    PyObject *out = text ? NULL : PyErr_NoMemory();
    for (Py_ssize_t row = 0; p && row < n; row++) {
        if (row) p = print_text(p, ",\n");
        p = print_record(p, &r, row);
    }
    if (p) out = PyBytes_FromStringAndSize(text, p - text);
    free(text);
    for (int i = 0; i < 14; i++) PyBuffer_Release(&b[i]);
    return out;
}

PyMethodDef write_methods[] = {
    {"encode_annotations", encode_annotations, METH_VARARGS, "Encode annotation records as text."},
    {NULL, NULL, 0, NULL},
};
