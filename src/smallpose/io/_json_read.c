/* COCO's JSON straight into flat arrays.
 *
 * Only plain files are read here: whatever is unusual (escapes in a key, a number with more than
 * 19 digits, a key that stands twice, broken text) makes a scan answer -1, and the whole file is
 * read with the ordinary JSON library, which knows how to complain. What is read is exact: every
 * number is the double nearest to its text.
 *
 * Text ends with a bracket or a brace, so a run of digits or blanks always stops inside it; only
 * strings have to look for the end.
 */
#include "_json.h"

typedef struct {
    const char *p, *end, *limit; /* where this scan ends, where the buffer does */
    const uint64_t *reciprocals; /* of 5, 5², …: floor(2^(127 + bits) / 5^k) as (high, low) */
    int powers;                  /* how many of them */
} Text;

static void blanks(Text *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t')) s->p++;
}

static int is(const Text *s, char c) { return s->p < s->end && *s->p == c; }

static int pass(Text *s, char c) {
    blanks(s);
    if (!is(s, c)) return 0;
    s->p++;
    return 1;
}

/* A string without escapes; its inside. */
static int string(Text *s, const char **start, Py_ssize_t *length) {
    if (!pass(s, '"')) return -1;
    const char *stop = memchr(s->p, '"', (size_t)(s->end - s->p));
    if (!stop || memchr(s->p, '\\', (size_t)(stop - s->p))) return -1;
    *start = s->p;
    *length = stop - s->p;
    s->p = stop + 1;
    return 0;
}

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t *low) {
#ifdef __SIZEOF_INT128__
    unsigned __int128 product = (unsigned __int128)a * b;
    *low = (uint64_t)product;
    return (uint64_t)(product >> 64);
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low00 = a0 * b0, mid = a1 * b0 + (low00 >> 32), mid2 = a0 * b1 + (uint32_t)mid;
    *low = (mid2 << 32) | (uint32_t)low00;
    return a1 * b1 + (mid >> 32) + (mid2 >> 32);
#endif
}

static const double TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* digits / 10^k, rounded to nearest, ties to even. */
static int decimal(const Text *s, uint64_t digits, int k, double *out) {
    if (digits == 0) {
        *out = 0.0;
        return 0;
    }
    if (k == 0) {
        *out = (double)digits;
        return 0;
    }
    /* Both exact as doubles: one rounding, the right one. */
    if (digits <= (1ull << 53) && k >= -22 && k <= 22) {
        *out = k > 0 ? (double)digits / TENS[k] : (double)digits * TENS[-k];
        return 0;
    }
    if (k < 0 || k > s->powers) return -1;
    /* Times the reciprocal of 5^k. It was rounded down, so the upper 128 bits of the product are
     * right or one too small; unless that one decides the rounding, it does not matter. */
    int lead = 0, bits = 0;
    uint64_t w = digits;
#ifdef __GNUC__
    lead = __builtin_clzll(w);
    w <<= lead;
#else
    while (!(w >> 63)) w <<= 1, lead++;
#endif
    bits = (k * 1217359) / 524288 + 1; /* length of 5^k in bits; right up to k = 3528 */
    uint64_t low, low2, high = multiply(w, s->reciprocals[2 * (k - 1)], &low);
    uint64_t carry = multiply(w, s->reciprocals[2 * (k - 1) + 1], &low2);
    uint64_t middle = low + carry;
    high += middle < low;
    int cut = high >> 63 ? 11 : 10;
    uint64_t mantissa = high >> cut, rest = high & ((1ull << cut) - 1), half = 1ull << (cut - 1);
    if (rest == half && middle == 0) return -1;
    if (rest == half - 1 && middle == UINT64_MAX) return -1;
    mantissa += rest >= half;
    /* digits 2^lead inverse / 2^(127 + bits) / 2^k */
    int exponent = cut + 128 - lead - (127 + bits) - k + 52 + 1023;
    if (exponent < 1 || exponent > 2040) return -1;
    uint64_t packed = ((uint64_t)exponent << 52) + (mantissa - (1ull << 52));
    memcpy(out, &packed, sizeof packed);
    return 0;
}

/* A run of digits, eight at a time where the machine's bytes lie as the text's. */
static const char *run(const char *p, const char *limit, uint64_t *digits) {
    uint64_t value = *digits;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (limit - p >= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        v ^= 0x3030303030303030u;
        if ((v | (v + 0x7676767676767676u)) & 0x8080808080808080u) break; /* a byte above 9 */
        v = (v * 10 + (v >> 8)) & 0x00FF00FF00FF00FFu;
        v = (v * 100 + (v >> 16)) & 0x0000FFFF0000FFFFu;
        v = (v * 10000 + (v >> 32)) & 0x00000000FFFFFFFFu;
        value = value * 100000000 + v;
        p += 8;
    }
#else
    (void)limit;
#endif
    for (; *p >= '0' && *p <= '9'; p++) value = value * 10 + (uint64_t)(*p - '0');
    *digits = value;
    return p;
}

static int number(Text *s, double *out) {
    blanks(s);
    const char *p = s->p;
    int negative = *p == '-', count, k = 0;
    p += negative;
    if (*p < '0' || *p > '9') return -1;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9') return -1;
    uint64_t digits = 0;
    const char *first = p;
    for (; *p >= '0' && *p <= '9'; p++) digits = digits * 10 + (uint64_t)(*p - '0');
    if (p - first > 400) return -1;
    count = (int)(p - first);
    if (*p == '.') {
        const char *point = ++p;
        p = run(p, s->limit, &digits);
        if (p == point || p - point > 400) return -1;
        k = (int)(p - point);
        count += k;
    }
    if (count > 19) {
        /* 0.000…: zeros in front are no digits. */
        const char *q = first;
        for (; (*q == '0' || *q == '.') && q < p; q++) count -= *q == '0';
        if (count > 19) return -1;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        int sign = *p == '-', power = 0;
        if (*p == '-' || *p == '+') p++;
        if (*p < '0' || *p > '9') return -1;
        for (; *p >= '0' && *p <= '9'; p++) power = power < 1000 ? power * 10 + (*p - '0') : power;
        k += sign ? power : -power;
    }
    double value;
    if (decimal(s, digits, k, &value) < 0) return -1;
    *out = negative ? -value : value;
    s->p = p;
    return 0;
}

static int integer(Text *s, int64_t *out) {
    blanks(s);
    const char *p = s->p;
    int negative = *p == '-';
    p += negative;
    const char *first = p;
    int64_t value = 0;
    for (; *p >= '0' && *p <= '9' && p - first < 18; p++) value = value * 10 + (*p - '0');
    if (p == first || (*first == '0' && p - first > 1)) return -1;
    if ((*p >= '0' && *p <= '9') || *p == '.' || *p == 'e' || *p == 'E') return -1;
    *out = negative ? -value : value;
    s->p = p;
    return 0;
}

static int word(Text *s, const char *text) {
    size_t n = strlen(text);
    blanks(s);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n)) return 0;
    s->p += n;
    return 1;
}

/* `[a, b, …]` into out; how many, or -1. */
static Py_ssize_t numbers(Text *s, double *out, Py_ssize_t most) {
    if (!pass(s, '[')) return -1;
    if (pass(s, ']')) return 0;
    for (Py_ssize_t n = 0; n < most; n++) {
        if (number(s, out + n) < 0) return -1;
        blanks(s);
        if (*s->p == ',') {
            s->p++;
            continue;
        }
        return pass(s, ']') ? n + 1 : -1;
    }
    return -1;
}

#define DEEPEST 64 /* brackets in brackets of a value that nobody asked for */

static int skip_string(Text *s) {
    for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
        if ((unsigned char)*s->p < 32) return -1;
        if (*s->p == '\\') s->p++;
    }
    if (s->p >= s->end) return -1;
    s->p++;
    return 0;
}

static const char *skip_digits(const char *p) {
    if (*p < '0' || *p > '9') return NULL;
    while (*p >= '0' && *p <= '9') p++;
    return p;
}

static int skip_number(Text *s) {
    const char *p = s->p + (*s->p == '-');
    if (*p == '0' && p[1] >= '0' && p[1] <= '9') return -1;
    if (!(p = skip_digits(p))) return -1;
    if (*p == '.' && !(p = skip_digits(p + 1))) return -1;
    if (*p == 'e' || *p == 'E') {
        p++;
        if (!(p = skip_digits(p + (*p == '-' || *p == '+')))) return -1;
    }
    s->p = p;
    return 0;
}

/* Over a value that nobody asked for, which must be sound JSON all the same. */
static int skip_value(Text *s, int depth) {
    blanks(s);
    if (s->p >= s->end || depth > DEEPEST) return -1;
    char c = *s->p;
    if (c == '"') return skip_string(s);
    if (c == 't') return word(s, "true") ? 0 : -1;
    if (c == 'f') return word(s, "false") ? 0 : -1;
    if (c == 'n') return word(s, "null") ? 0 : -1;
    if (c != '[' && c != '{') return skip_number(s);
    char close = c == '[' ? ']' : '}';
    s->p++;
    if (pass(s, close)) return 0;
    for (;;) {
        blanks(s);
        if (c == '{' && (!is(s, '"') || skip_string(s) < 0 || !pass(s, ':'))) return -1;
        if (skip_value(s, depth + 1) < 0) return -1;
        if (pass(s, close)) return 0;
        if (!pass(s, ',')) return -1;
    }
}

static int skip(Text *s) { return skip_value(s, 0); }

static int key_is(const char *key, Py_ssize_t n, const char *name) {
    return (size_t)n == strlen(name) && !memcmp(key, name, (size_t)n);
}

/* The place of a string in "one\0two\0"; 0 for anything else and for null. */
static int code(Text *s, const char *known, Py_ssize_t size, int8_t *out) {
    const char *text;
    Py_ssize_t n;
    *out = 0;
    if (word(s, "null")) return 0;
    if (string(s, &text, &n) < 0) return -1;
    int8_t place = 0;
    for (const char *k = known; k < known + size; k += strlen(k) + 1, place++)
        if ((size_t)n == strlen(k) && !memcmp(k, text, (size_t)n)) *out = place;
    return 0;
}

/* After a record's value: 1 another key follows, 0 the record is over, -1 neither. */
static int more(Text *s) {
    blanks(s);
    if (!(s->p < s->end)) return -1;
    char c = *s->p++;
    return c == ',' ? 1 : c == '}' ? 0 : -1;
}

static int colon_after_key(Text *s, const char **key, Py_ssize_t *n) {
    if (string(s, key, n) < 0 || !pass(s, ':')) return -1;
    blanks(s);
    return s->p < s->end ? 0 : -1;
}

/* Read the value of a key: the key's bit, 0 when nobody asked for it, -1 when it is unusual. */
typedef int (*Field)(Text *s, void *to, Py_ssize_t row, const char *key, Py_ssize_t n);

/* An object whose keys stand there once at most, those of `needed` exactly once. */
static inline int record(Text *s, Field field, void *to, Py_ssize_t row, int needed) {
    int seen = 0, next;
    if (!pass(s, '{')) return -1;
    do {
        const char *key;
        Py_ssize_t n;
        if (colon_after_key(s, &key, &n) < 0) return -1;
        int bit = field(s, to, row, key, n);
        if (bit < 0 || (bit == 0 && skip(s) < 0) || (seen & bit)) return -1;
        seen |= bit;
        next = more(s);
    } while (next == 1);
    return next < 0 || (seen & needed) != needed ? -1 : 0;
}

typedef struct {
    int64_t *image, *category;
    double *score, *keypoints, *bbox;
    uint8_t *boxed;
    Py_ssize_t k3;
} Results;

static int result_field(Text *s, void *results, Py_ssize_t row, const char *key, Py_ssize_t n) {
    const Results *to = results;
    if (key_is(key, n, "keypoints"))
        return numbers(s, to->keypoints + row * to->k3, to->k3) == to->k3 ? 1 : -1;
    if (key_is(key, n, "score")) return number(s, to->score + row) < 0 ? -1 : 2;
    if (key_is(key, n, "image_id")) return integer(s, to->image + row) < 0 ? -1 : 4;
    if (key_is(key, n, "category_id")) return integer(s, to->category + row) < 0 ? -1 : 8;
    if (!key_is(key, n, "bbox")) return 0;
    if (word(s, "null")) return 16;
    Py_ssize_t values = numbers(s, to->bbox + row * 4, 4);
    to->boxed[row] = values == 4;
    return values == 4 || values == 0 ? 16 : -1;
}

static int result_record(Text *s, Results *to, Py_ssize_t row) {
    to->category[row] = 1;
    to->boxed[row] = 0;
    return record(s, result_field, to, row, 1 | 2 | 4);
}

/* scan_results(data, start, stop, row, k3, reciprocals, image, category, score, keypoints, bbox,
 *            boxed) -> records read, -1 when something is unusual */
static PyObject *scan_results(PyObject *self, PyObject *args) {
    Py_buffer b[8];
    Py_ssize_t start, stop, row, k3, count = 0;
    if (!PyArg_ParseTuple(args, "y*nnnny*w*w*w*w*w*w*", &b[0], &start, &stop, &row, &k3, &b[1],
                          &b[2], &b[3], &b[4], &b[5], &b[6], &b[7]))
        return NULL;
    Text s = {(const char *)b[0].buf + start, (const char *)b[0].buf + stop, 
              (const char *)b[0].buf + b[0].len, b[1].buf, (int)(b[1].len / 16)};
    Results to = {b[2].buf, b[3].buf, b[4].buf, b[5].buf, b[6].buf, b[7].buf, k3};
    Py_ssize_t room = b[2].len / (Py_ssize_t)sizeof(int64_t);
    Py_BEGIN_ALLOW_THREADS
    for (;;) {
        if (row + count >= room || result_record(&s, &to, row + count) < 0) {
            count = -1;
            break;
        }
        count++;
        blanks(&s);
        char c = s.p < s.end ? *s.p++ : 0;
        blanks(&s);
        /* A chunk ends behind a comma, the last one behind the bracket that is the file's last. */
        if (s.p >= s.end && (c == ',' || c == ']')) break;
        if (c != ',') {
            count = -1;
            break;
        }
    }
    Py_END_ALLOW_THREADS
    for (int i = 0; i < 8; i++) PyBuffer_Release(&b[i]);
    return PyLong_FromSsize_t(count);
}

typedef struct {
    int64_t *id, *image, *category, *said;
    uint8_t *crowd;
    double *area, *bbox, *keypoints, *mask;
    int8_t *source, *rule;
    const char *sources, *rules;
    Py_ssize_t k3, sources_size, rules_size;
    uint64_t derived; /* joints of the record at hand that were made up */
} People;

static int area_or_null(Text *s, double *out) { return word(s, "null") ? 0 : number(s, out); }

static int flag(Text *s, uint8_t *out) {
    int64_t value = 1;
    if (word(s, "false")) value = 0;
    else if (!word(s, "true") && integer(s, &value) < 0) return -1;
    *out = value != 0;
    return 0;
}

/* `[1, 8, …]`, joints counted from 1, as bits. */
static int joints(Text *s, Py_ssize_t k3, uint64_t *out) {
    int64_t joint;
    if (!pass(s, '[')) return -1;
    if (pass(s, ']')) return 0;
    do {
        if (integer(s, &joint) < 0 || joint < 1 || joint > 64 || 3 * joint > k3) return -1;
        *out |= (uint64_t)1 << (joint - 1);
    } while (pass(s, ','));
    return pass(s, ']') ? 0 : -1;
}

static int person_field(Text *s, void *people, Py_ssize_t row, const char *key, Py_ssize_t n) {
    People *to = people;
    if (key_is(key, n, "keypoints"))
        return numbers(s, to->keypoints + row * to->k3, to->k3) == to->k3 ? 1 : -1;
    if (key_is(key, n, "bbox")) return numbers(s, to->bbox + row * 4, 4) == 4 ? 2 : -1;
    if (key_is(key, n, "id")) return integer(s, to->id + row) < 0 ? -1 : 4;
    if (key_is(key, n, "image_id")) return integer(s, to->image + row) < 0 ? -1 : 8;
    if (key_is(key, n, "num_keypoints")) return integer(s, to->said + row) < 0 ? -1 : 16;
    if (key_is(key, n, "category_id")) return integer(s, to->category + row) < 0 ? -1 : 32;
    if (key_is(key, n, "iscrowd")) return flag(s, to->crowd + row) < 0 ? -1 : 64;
    if (key_is(key, n, "area")) return area_or_null(s, to->area + row) < 0 ? -1 : 128;
    if (key_is(key, n, "segmentation_area")) return area_or_null(s, to->mask + row) < 0 ? -1 : 256;
    if (key_is(key, n, "source"))
        return code(s, to->sources, to->sources_size, to->source + row) < 0 ? -1 : 512;
    if (key_is(key, n, "box_rule"))
        return code(s, to->rules, to->rules_size, to->rule + row) < 0 ? -1 : 1024;
    if (key_is(key, n, "derived")) return joints(s, to->k3, &to->derived) < 0 ? -1 : 2048;
    return 0;
}

static int person_record(Text *s, People *to, Py_ssize_t row) {
    to->category[row] = 1;
    to->crowd[row] = 0;
    to->source[row] = to->rule[row] = 0;
    to->area[row] = to->mask[row] = Py_NAN;
    to->derived = 0;
    int result = record(s, person_field, to, row, 1 | 2 | 4 | 8 | 16);
    /* What `build --derive` made up is no label. */
    double *point = to->keypoints + row * to->k3;
    for (uint64_t made = to->derived; made; point += 3, made >>= 1)
        if (made & 1) point[0] = point[1] = point[2] = 0;
    return result;
}

/* scan_people(data, start, stop, k3, reciprocals, sources, rules, id, image, category, said, crowd,
 *             area, bbox, keypoints, mask, source, rule) -> (records, where the list ended) */
static PyObject *scan_people(PyObject *self, PyObject *args) {
    Py_buffer b[15];
    Py_ssize_t start, stop, k3, count = 0;
    if (!PyArg_ParseTuple(args, "y*nnny*y*y*w*w*w*w*w*w*w*w*w*w*w*", &b[0], &start, &stop, &k3, &b[1],
                          &b[2], &b[3], &b[4], &b[5], &b[6], &b[7], &b[8], &b[9], &b[10], &b[11],
                          &b[12], &b[13], &b[14]))
        return NULL;
    Text s = {(const char *)b[0].buf + start, (const char *)b[0].buf + stop, 
              (const char *)b[0].buf + b[0].len, b[1].buf, (int)(b[1].len / 16)};
    People to = {b[4].buf,  b[5].buf,  b[6].buf,  b[7].buf,  b[8].buf,  b[9].buf, b[10].buf, b[11].buf,
                 b[12].buf, b[13].buf, b[14].buf, b[2].buf,  b[3].buf,  k3,       b[2].len,  b[3].len, 0};
    Py_ssize_t room = b[4].len / (Py_ssize_t)sizeof(int64_t);
    Py_BEGIN_ALLOW_THREADS
    if (!pass(&s, '[')) {
        count = -1;
    } else if (!pass(&s, ']')) {
        for (;;) {
            if (count >= room || person_record(&s, &to, count) < 0) {
                count = -1;
                break;
            }
            count++;
            blanks(&s);
            char c = s.p < s.end ? *s.p++ : 0;
            if (c == ']') break;
            if (c != ',') {
                count = -1;
                break;
            }
        }
    }
    Py_END_ALLOW_THREADS
    Py_ssize_t end = s.p - (const char *)b[0].buf;
    for (int i = 0; i < 15; i++) PyBuffer_Release(&b[i]);
    return Py_BuildValue("nn", count, end);
}

/* key(data, at) -> (key, value's start) of the next member of an object, or None; `at` stands
 * before the key. */
static PyObject *key_at(PyObject *self, PyObject *args) {
    Py_buffer b;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(args, "y*n", &b, &at)) return NULL;
    const char *data = b.buf;
    Text s = {data + at, data + b.len, data + b.len, NULL, 0};
    const char *key = "";
    Py_ssize_t n = 0;
    int ok = colon_after_key(&s, &key, &n) == 0;
    PyObject *out = NULL;
    if (ok) out = Py_BuildValue("y#n", key, n, (Py_ssize_t)(s.p - (const char *)b.buf));
    PyBuffer_Release(&b);
    if (ok) return out;
    Py_RETURN_NONE;
}

/* skip(data, at) -> where the value that begins there ends; -1 when it does not. */
static PyObject *skip_at(PyObject *self, PyObject *args) {
    Py_buffer b;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(args, "y*n", &b, &at)) return NULL;
    const char *data = b.buf;
    Text s = {data + at, data + b.len, data + b.len, NULL, 0};
    int result;
    Py_BEGIN_ALLOW_THREADS
    result = skip(&s);
    Py_END_ALLOW_THREADS
    Py_ssize_t end = s.p - (const char *)b.buf;
    PyBuffer_Release(&b);
    return PyLong_FromSsize_t(result < 0 ? -1 : end);
}

/* count(data, start, stop) -> opening braces: the most records there can be. */
static PyObject *count_braces(PyObject *self, PyObject *args) {
    Py_buffer b;
    Py_ssize_t start, stop, n = 0;
    if (!PyArg_ParseTuple(args, "y*nn", &b, &start, &stop)) return NULL;
    const char *p = (const char *)b.buf + start, *end = (const char *)b.buf + stop;
    Py_BEGIN_ALLOW_THREADS
    while (p < end && (p = memchr(p, '{', (size_t)(end - p)))) n++, p++;
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&b);
    return PyLong_FromSsize_t(n);
}

/* cut(data, at, stop) -> the first record that begins after `at`: a brace after `}` and `,`. */
static PyObject *cut(PyObject *self, PyObject *args) {
    Py_buffer b;
    Py_ssize_t at, stop;
    if (!PyArg_ParseTuple(args, "y*nn", &b, &at, &stop)) return NULL;
    const char *data = b.buf;
    Text s = {data + at, data + stop, data + b.len, NULL, 0};
    Py_ssize_t found = -1;
    while (s.p < s.end && (s.p = memchr(s.p, '}', (size_t)(s.end - s.p)))) {
        s.p++;
        Text ahead = s;
        if (!pass(&ahead, ',')) continue;
        blanks(&ahead);
        if (!is(&ahead, '{')) continue;
        found = ahead.p - data;
        break;
    }
    PyBuffer_Release(&b);
    return PyLong_FromSsize_t(found);
}

/* decimals(text, reciprocals) -> the number, or None when it is left to others; for tests. */
static PyObject *decimals(PyObject *self, PyObject *args) {
    Py_buffer b[2];
    if (!PyArg_ParseTuple(args, "y*y*", &b[0], &b[1])) return NULL;
    const char *text = b[0].buf;
    Text s = {text, text + b[0].len - 1, text + b[0].len, b[1].buf, (int)(b[1].len / 16)};
    double value = 0;
    int result = number(&s, &value);
    int whole = s.p == s.end;
    PyBuffer_Release(&b[0]);
    PyBuffer_Release(&b[1]);
    if (result == 0 && whole) return PyFloat_FromDouble(value);
    Py_RETURN_NONE;
}

static PyMethodDef scan_methods[] = {
    {"scan_results", scan_results, METH_VARARGS, "results"},
    {"scan_people", scan_people, METH_VARARGS, "annotations"},
    {"key", key_at, METH_VARARGS, "next key"},
    {"skip", skip_at, METH_VARARGS, "over a value"},
    {"count", count_braces, METH_VARARGS, "opening braces"},
    {"cut", cut, METH_VARARGS, "a border between records"},
    {"decimals", decimals, METH_VARARGS, "one number"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_json", "compiled reading and writing of COCO's JSON", -1, scan_methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__json(void) {
    PyObject *text = PyModule_Create(&module);
    if (text && PyModule_AddFunctions(text, write_methods) < 0) {
        Py_DECREF(text);
        return NULL;
    }
    return text;
}
