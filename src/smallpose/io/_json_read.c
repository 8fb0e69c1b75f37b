/* Read COCO's JSON into flat arrays.
 *
 * Only plain files are read here. Anything unusual (escapes in a key, a number with more than 19
 * digits, a repeated key, broken text) makes a scan return -1; the file is then read with the
 * ordinary JSON library, which explains mistakes. What is skipped is checked like what is read:
 * strings are UTF-8 without control characters, and escapes are those of JSON. What is read is
 * exact: every number is the double nearest to its text.
 *
 * The text ends with a bracket or a brace, so a run of digits or blanks always ends inside it; only
 * in strings must the end of the text be checked.
 */
#include "_json.h"
#include <stddef.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#ifdef __GNUC__
#define UNLIKELY(condition) __builtin_expect(condition, 0)
#define INLINE inline __attribute__((always_inline))
#else
#define UNLIKELY(condition) (condition)
#define INLINE inline
#endif

#ifndef _WIN32
#include <setjmp.h>
#include <signal.h>

/* Reading a mapped file beyond the end to which another process cut it raises SIGBUS. Then the scan
 * of this thread is left and becomes an OSError. Scans touch nothing but the text, their own stack
 * and the arrays they fill, so they can be left anywhere. The handler is there only during scans;
 * the number of them is protected by the interpreter lock. */
static _Thread_local sigjmp_buf *scan_exit;
static struct sigaction previous_action;
static int num_scans;

static void leave_scan(int signal) {
    if (scan_exit) siglongjmp(*scan_exit, 1);
    /* Not a scan's: returning repeats the fault, for the handler from before. */
    sigaction(signal, &previous_action, NULL);
}

static void begin_scan(void) {
    struct sigaction action = {0};
    action.sa_handler = leave_scan;
    sigemptyset(&action.sa_mask);
    if (num_scans++ == 0) sigaction(SIGBUS, &action, &previous_action);
}

static void end_scan(void) {
    if (--num_scans == 0) sigaction(SIGBUS, &previous_action, NULL);
}

/* Do the work; return -1 where the text ended before its time. */
static int call_scan(void (*work)(void *), void *context) {
    sigjmp_buf here;
    if (sigsetjmp(here, 1)) {
        scan_exit = NULL;
        return -1;
    }
    scan_exit = &here;
    work(context);
    scan_exit = NULL;
    return 0;
}
#else /* a mapped file cannot be cut */
static void begin_scan(void) {}
static void end_scan(void) {}
static int call_scan(void (*work)(void *), void *context) {
    work(context);
    return 0;
}
#endif

/* Run a scan without the interpreter lock; -1 and OSError where a mapped file was cut short. */
static int run_scan(void (*work)(void *), void *context) {
    int result;
    begin_scan();
    Py_BEGIN_ALLOW_THREADS
    result = call_scan(work, context);
    Py_END_ALLOW_THREADS
    end_scan();
    if (result < 0) PyErr_SetString(PyExc_OSError, "the mapped file was cut short");
    return result;
}

static void release(Py_buffer *buffers, int n) {
    for (int i = 0; i < n; i++) PyBuffer_Release(&buffers[i]);
}

typedef struct {
    const char *p, *end, *limit; /* position, end of this scan, end of the buffer */
    const uint64_t *reciprocals; /* of 5, 5², …: floor(2^(127 + bits) / 5^k) as (high, low) */
    int num_powers;              /* number of reciprocals */
} Text;

static void skip_blanks(Text *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

static int next_is(const Text *s, char c) { return s->p < s->end && *s->p == c; }

/* Skip blanks and the character c; 0 where another one follows. */
static int accept(Text *s, char c) {
    skip_blanks(s);
    if (!next_is(s, c)) return 0;
    s->p++;
    return 1;
}

/* Return the end of the UTF-8 sequence of several bytes at p; NULL where it is none. */
static const char *skip_utf8(const char *p, const char *end) {
    const unsigned char *u = (const unsigned char *)p;
    int length = u[0] < 0xC2 ? 0 : u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : u[0] < 0xF5 ? 4 : 0;
    if (length == 0 || end - p < length) return NULL;
    for (int i = 1; i < length; i++)
        if ((u[i] & 0xC0) != 0x80) return NULL;
    int is_overlong = (u[0] == 0xE0 && u[1] < 0xA0) || (u[0] == 0xF0 && u[1] < 0x90);
    int is_surrogate = u[0] == 0xED && u[1] > 0x9F;
    int is_too_large = u[0] == 0xF4 && u[1] > 0x8F; /* above U+10FFFF */
    return is_overlong || is_surrogate || is_too_large ? NULL : p + length;
}

/* Skip characters that need no check, 16 or eight at a time: neither control characters, quotation
 * marks and backslashes nor parts of longer UTF-8 sequences. */
static const char *skip_plain(const char *p, const char *end) {
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        /* With a sign, parts of longer sequences are below zero. */
        __m128i special = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        int mask = _mm_movemask_epi8(special);
        if (mask) return p + __builtin_ctz((unsigned)mask);
    }
#endif
    const uint64_t ones = 0x0101010101010101u;
    while (end - p >= 8) {
        uint64_t v, quote, backslash;
        memcpy(&v, p, 8);
        quote = v ^ (ones * '"');
        backslash = v ^ (ones * '\\');
        /* The highest bit of a byte is set where subtracting made the byte negative. */
        uint64_t low = ((v - ones * 0x20) & ~v) | ((quote - ones) & ~quote);
        low |= ((backslash - ones) & ~backslash) | v;
        low &= ones * 0x80;
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        /* The lowest bit is right; above it, a borrow may have set others. */
        if (low) return p + __builtin_ctzll(low) / 8;
#else
        if (low) break;
#endif
        p += 8;
    }
    return p;
}

/* Read a string without escapes: where its content starts, and its length. */
static int read_string(Text *s, const char **start, Py_ssize_t *length) {
    if (!accept(s, '"')) return -1;
    const char *p = skip_plain(s->p, s->end);
    while (p < s->end && *p != '"') {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == '\\') return -1;
        p = c < 0x80 ? p + 1 : skip_utf8(p, s->end);
        if (!p) return -1;
    }
    if (p >= s->end) return -1;
    *start = s->p;
    *length = p - s->p;
    s->p = p + 1;
    return 0;
}

/* Return the upper half of the product of a and b; the lower half goes to `low`. */
static uint64_t multiply_128(uint64_t a, uint64_t b, uint64_t *low) {
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

#define COUNT_BITS(k) ((k) * 1217359 / 524288 + 1) /* of 5^k; correct up to k = 3528 */

/* Compute digits / 10^k, rounded to nearest, ties to even. */
static int divide_by_power(const Text *s, uint64_t digits, int k, double *out) {
    if (digits == 0) {
        *out = 0.0;
        return 0;
    }
    if (k == 0) {
        *out = (double)digits;
        return 0;
    }
    /* Both are exact as doubles, so the one rounding of the division is correct. */
    if (digits <= (1ull << 53) && k >= -22 && k <= 22) {
        *out = k > 0 ? (double)digits / TENS[k] : (double)digits * TENS[-k];
        return 0;
    }
    if (k < 0 || k > s->num_powers) return -1;
    /* Multiply by the reciprocal of 5^k. It was rounded down, so the true product is larger than the
     * upper 128 bits, by less than 2. Just below the middle between two doubles that decides the
     * rounding: give up. In the middle itself, the true product is above it. */
    int lead = 0, bits = 0;
    uint64_t w = digits;
#ifdef __GNUC__
    lead = __builtin_clzll(w);
    w <<= lead;
#else
    while (!(w >> 63)) w <<= 1, lead++;
#endif
    bits = COUNT_BITS(k);
    uint64_t low, low2, high = multiply_128(w, s->reciprocals[2 * (k - 1)], &low);
    uint64_t carry = multiply_128(w, s->reciprocals[2 * (k - 1) + 1], &low2);
    uint64_t middle = low + carry;
    high += middle < low;
    int cut = high >> 63 ? 11 : 10;
    uint64_t mantissa = high >> cut, rest = high & ((1ull << cut) - 1), half = 1ull << (cut - 1);
    if (rest == half - 1 && middle == UINT64_MAX) return -1;
    mantissa += rest >= half;
    /* digits 2^lead inverse / 2^(127 + bits) / 2^k */
    int exponent = cut + 128 - lead - (127 + bits) - k + 52 + 1023;
    if (exponent < 1) return -1; /* a denormal number */
    uint64_t packed = ((uint64_t)exponent << 52) + (mantissa - (1ull << 52));
    memcpy(out, &packed, sizeof packed);
    return 0;
}

/* Read a run of digits, eight at a time on little-endian machines. */
static const char *read_digits(const char *p, const char *limit, uint64_t *digits) {
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

/* Digits of most numbers, found without a loop: where the integer and the fraction end. */
typedef struct {
    int whole, fraction; /* digits before and behind the point; no fraction where there is no point */
    const char *end;
} Digits;

#define PLAIN_BYTES 32     /* that are looked at together */
#define MAX_WHOLE 8        /* digits of the integer part of a plain number */
#define MAX_FRACTION 16    /* digits of its fraction, where they are read */
#define MAX_PLAIN_DIGITS 19

#ifdef __SSE2__
/* Return a bit for each of the next 16 bytes that is a digit: moved up, only digits are the largest
 * numbers with a sign. */
static INLINE uint32_t find_16_digits(const char *p) {
    __m128i moved = _mm_add_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8(127 - '9'));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(moved, _mm_set1_epi8(127 - 10)));
}
#endif

/* Return a bit for each of the next 32 bytes that is no digit. */
static INLINE uint32_t find_other_bytes(const char *p) {
#ifdef __SSE2__
    return ~(find_16_digits(p) | find_16_digits(p + 16) << 16);
#else
    uint32_t others = 0;
    for (int i = 0; i < PLAIN_BYTES; i++) others |= (uint32_t)(p[i] < '0' || p[i] > '9') << i;
    return others;
#endif
}

/* Find the digits of a number without sign and exponent; 0 where it is longer or anything else. */
static inline int find_digits(const char *p, const char *limit, int max_fraction, Digits *out) {
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (limit - p < PLAIN_BYTES + 8) return 0;
    uint32_t others = find_other_bytes(p);
    if (!others) return 0;
    out->whole = __builtin_ctz(others);
    out->fraction = 0;
    out->end = p + out->whole;
    if (*out->end == '.') {
        others &= others - 1;
        if (!others) return 0;
        int end = __builtin_ctz(others);
        out->fraction = end - out->whole - 1;
        out->end = p + end;
        if (out->fraction < 1 || out->fraction > max_fraction) return 0;
    }
    if (out->whole < 1 || out->whole > MAX_WHOLE || (*p == '0' && out->whole > 1)) return 0;
    return out->whole + out->fraction <= MAX_PLAIN_DIGITS && (*out->end | 32) != 'e';
#else
    (void)p, (void)limit, (void)max_fraction, (void)out;
    return 0;
#endif
}

static const uint64_t POWERS[] = {
    1,          10,          100,          1000,          10000,          100000,
    1000000,    10000000,    100000000,    1000000000,    10000000000,    100000000000,
    1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000,
};

/* Return the number that the first n digits at p are, 0 to 8; eight bytes are read. */
static inline uint64_t read_few_digits(const char *p, int n) {
    uint64_t v;
    memcpy(&v, p, 8);
    v = n ? (v ^ 0x3030303030303030u) << (64 - 8 * n) : 0; /* the digits end at the last byte */
    v = (v * 10 + (v >> 8)) & 0x00FF00FF00FF00FFu;
    v = (v * 100 + (v >> 16)) & 0x0000FFFF0000FFFFu;
    return (v * 10000 + (v >> 32)) & 0x00000000FFFFFFFFu;
}

/* Return the number without its point. */
static inline uint64_t join_digits(const char *p, const Digits *d) {
    const char *fraction = p + d->whole + 1;
    uint64_t value = read_few_digits(p, d->whole);
    if (d->fraction <= 8)
        return value * POWERS[d->fraction] + read_few_digits(fraction, d->fraction);
    value = value * 100000000 + read_few_digits(fraction, 8);
    return value * POWERS[d->fraction - 8] + read_few_digits(fraction + 8, d->fraction - 8);
}

/* Read a number of any form as the nearest double. */
static int read_any_number(Text *s, double *out) {
    skip_blanks(s);
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
        p = read_digits(p, s->limit, &digits);
        if (p == point || p - point > 400) return -1;
        k = (int)(p - point);
        count += k;
    }
    if (count > 19) {
        /* Zeros in front, as in 0.000…, do not count. */
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
    /* An integer has no negative zero. */
    if (digits == 0 && p - first == 1) negative = 0;
    double value;
    if (divide_by_power(s, digits, k, &value) < 0) return -1;
    *out = negative ? -value : value;
    s->p = p;
    return 0;
}

/* The functions `…_at` read at p and return where they end, or NULL: a position in a register, for
 * lists of numbers. Others read at s->p, move it and return -1 where something is unusual. */

static inline const char *skip_blanks_at(const Text *s, const char *p) {
    while (p < s->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

static const char *read_any_number_at(const Text *s, const char *p, double *out) {
    Text rest = *s;
    rest.p = p;
    return read_any_number(&rest, out) < 0 ? NULL : rest.p;
}

/* Read a number as the nearest double. */
static inline const char *read_number_at(const Text *s, const char *p, double *out) {
    int negative = *p == '-';
    Digits d;
    if (!find_digits(p + negative, s->limit, MAX_FRACTION, &d)) return read_any_number_at(s, p, out);
    uint64_t digits = join_digits(p + negative, &d);
    double value = (double)(int64_t)digits / TENS[d.fraction];
    if (digits > 1ull << 53 && divide_by_power(s, digits, d.fraction, &value) < 0) return NULL;
    *out = negative && (digits || d.fraction) ? -value : value; /* integers have no negative zero */
    return d.end;
}

/* Check a number that is not needed, as strictly as reading it. */
static inline const char *check_number_at(const Text *s, const char *p) {
    double value;
    Digits d;
    if (!find_digits(p + (*p == '-'), s->limit, MAX_PLAIN_DIGITS, &d))
        return read_any_number_at(s, p, &value);
    return d.end;
}

#define DECIMALS 4 /* of a coordinate that is packed; see core/packed_keypoints.py */

/* Return the number that four digits are, of which the first is in the lowest byte. */
static inline uint32_t join_four_digits(uint32_t v) {
    v = (v * 10 + (v >> 8)) & 0x00FF00FFu;
    return (v * 100 + (v >> 16)) & 0x0000FFFFu;
}

/* Return the n digits at p, 1 to 4, behind zeros. */
static inline uint32_t align_whole(const char *p, ptrdiff_t n) {
    uint32_t digits;
    memcpy(&digits, p, 4);
    return (digits ^ 0x30303030u) << (32 - 8 * n);
}

/* Return the n digits at p, 0 to 4, in front of zeros. */
static inline uint32_t align_fraction(const char *p, ptrdiff_t n) {
    static const uint32_t FIRST[DECIMALS + 1] = {0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF};
    uint32_t digits;
    memcpy(&digits, p, 4);
    return (digits ^ 0x30303030u) & FIRST[n];
}

/* Return a number with at most four digits on either side of its point in ten-thousandths. */
static inline uint64_t join_few_digits(const char *p, const Digits *d) {
    uint32_t whole = align_whole(p, d->whole);
    uint32_t fraction = align_fraction(p + d->whole + 1, d->fraction);
    return (uint64_t)join_four_digits(whole) * 10000 + join_four_digits(fraction);
}

/* Read a number of any form as an integer of ten-thousandths, if that gives the same double. */
static const char *pack_any_number_at(const Text *s, const char *p, int32_t *out) {
    double value, unit = (double)POWERS[DECIMALS];
    int negative = *p == '-';
    p = read_any_number_at(s, p, &value);
    if (!p || !(value * unit <= INT32_MAX && value * unit >= -INT32_MAX)) return NULL;
    *out = (int32_t)(value * unit + (negative ? -0.5 : 0.5));
    return (double)*out / unit != value || (negative && value == 0) ? NULL : p;
}

/* Read a number as an integer of ten-thousandths; NULL where it does not fit. */
static inline const char *read_packed_at(const Text *s, const char *p, int32_t *out) {
    int negative = *p == '-';
    Digits d;
    if (!find_digits(p + negative, s->limit, MAX_FRACTION, &d) || d.fraction > DECIMALS)
        return pack_any_number_at(s, p, out);
    uint64_t value = d.whole <= 4 ? join_few_digits(p + negative, &d)
                                  : join_digits(p + negative, &d) * POWERS[DECIMALS - d.fraction];
    if (value > INT32_MAX || (negative && !value)) return NULL; /* nor is there a negative zero */
    *out = negative ? -(int32_t)value : (int32_t)value;
    return d.end;
}

/* Read v: 0, 1 or 2, which some write as 2.0. */
static inline const char *read_visibility_at(const Text *s, const char *p, uint8_t *out) {
    double v;
    if (*p >= '0' && *p <= '2') {
        const char *end = p[1] == '.' && p[2] == '0' ? p + 3 : p + 1;
        *out = (uint8_t)(*p - '0');
        if (*end == ',' || *end == ']') return end;
    }
    p = read_number_at(s, p, &v);
    if (!p || (v != 0 && v != 1 && v != 2)) return NULL;
    *out = (uint8_t)v;
    return p;
}

/* Skip what is behind value `index` of a list of `total`, up to the next value or behind the list. */
static inline const char *end_value_at(const Text *s, const char *p, Py_ssize_t index,
                                       Py_ssize_t total) {
    char last = index + 1 < total ? ',' : ']';
    if (*p != last) p = skip_blanks_at(s, p);
    return *p != last ? NULL : last == ',' ? skip_blanks_at(s, p + 1) : p + 1;
}

static int read_number(Text *s, double *out) {
    skip_blanks(s);
    const char *p = read_number_at(s, s->p, out);
    if (!p) return -1;
    s->p = p;
    return 0;
}

/* Read an integer of at most 18 digits. */
static int read_integer(Text *s, int64_t *out) {
    skip_blanks(s);
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

/* Skip blanks and the given text; 0 where something else follows. */
static int accept_word(Text *s, const char *text) {
    size_t n = strlen(text);
    skip_blanks(s);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n)) return 0;
    s->p += n;
    return 1;
}

/* Read `[a, b, …]` into out; return how many, or -1. */
static Py_ssize_t read_numbers(Text *s, double *out, Py_ssize_t max_count) {
    if (!accept(s, '[')) return -1;
    if (accept(s, ']')) return 0;
    for (Py_ssize_t n = 0; n < max_count; n++) {
        if (read_number(s, out + n) < 0) return -1;
        skip_blanks(s);
        if (*s->p == ',') {
            s->p++;
            continue;
        }
        return accept(s, ']') ? n + 1 : -1;
    }
    return -1;
}

#if defined(__SSE2__) && defined(__SIZEOF_INT128__)
/* Most joints are `x, y, value` within few bytes, each number digits, a point and digits. Where the
 * numbers end is then known at once, and nothing waits for the end of the number before. */

#define JOINT_BYTES 64 /* that are looked at together */

/* Digits in front of and behind a point, from which a number is computed. */
typedef struct {
    const char *first, *point, *end;
    uint64_t sign; /* that of a double */
} Decimal;

/* Find a decimal at p + *at; 0 where anything else is there. `others` are the bytes behind p that
 * are no digits, from *at on; both move behind the decimal and the byte `end`, which follows it.
 * Branches are predicted where arithmetic would wait for the text. */
static INLINE int find_decimal(const char *p, ptrdiff_t *at, uint64_t *others, char end, Decimal *out) {
    out->sign = 0;
    if (UNLIKELY(p[*at] == '-')) {
        out->sign = 1ull << 63;
        *others &= *others - 1; /* without the lowest bit */
        ++*at;
    }
    if (!*others) return 0;
    ptrdiff_t point = __builtin_ctzll(*others);
    *others &= *others - 1;
    if (!*others) return 0;
    ptrdiff_t stop = __builtin_ctzll(*others);
    *others &= *others - 1;
    out->first = p + *at;
    out->point = p + point;
    out->end = p + stop;
    ptrdiff_t whole = point - *at, fraction = stop - point - 1;
    int has_zero_ahead = (*out->first == '0') & (whole > 1);
    *at = stop + 1;
    return *out->point == '.' && *out->end == end && whole >= 1 && whole <= MAX_WHOLE &&
           fraction >= 1 && whole + fraction <= MAX_PLAIN_DIGITS && !has_zero_ahead;
}

/* Move behind a blank where `is_spaced`; 0 where that is not there. */
static INLINE int skip_space(const char *p, ptrdiff_t *at, uint64_t *others, int is_spaced) {
    if (!is_spaced) return 1;
    *others &= *others - 1;
    return p[(*at)++] == ' ';
}

/* Compute digits / 10^k, k > 0, rounded to nearest; 0 for the rare digits whose quotient is so near
 * the middle between two doubles that a product of 64 bits is not enough. */
static INLINE int divide_decimal(const Text *s, uint64_t digits, ptrdiff_t k, uint64_t sign,
                                 double *out) {
    uint64_t packed = 0;
    if (digits) {
        int lead = __builtin_clzll(digits);
        uint64_t low, high = multiply_128(digits << lead, s->reciprocals[2 * (k - 1)], &low);
        /* The quotient is above `high`, by less than 2, or 4 where it is doubled; see
         * divide_by_power. */
        uint64_t is_low = ~high >> 63;
        high += is_low ? high : 0;
        if ((high & 2046) == 1022) return 0;
        uint64_t exponent = 11 + 128 - 127 + 52 + 1023 - 1 - (uint64_t)lead - is_low;
        exponent -= (uint64_t)COUNT_BITS((uint64_t)k) + (uint64_t)k;
        packed = (exponent << 52) + (high >> 11) + (high >> 10 & 1);
    }
    packed |= sign;
    memcpy(out, &packed, sizeof packed);
    return 1;
}

/* KEEP_LAST + n: a mask of all but the last n of 16 bytes, or of 8 bytes from the 8th on. */
static const char KEEP_LAST[32] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
};

/* Return the n digits before `end`, n up to 16, behind zeros. */
static INLINE __m128i load_16_digits(const char *end, ptrdiff_t n) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(end - 16));
    return _mm_and_si128(bytes, _mm_loadu_si128((const __m128i *)(KEEP_LAST + n)));
}

/* Likewise, n up to 8. */
static INLINE __m128i load_8_digits(const char *end, ptrdiff_t n) {
    __m128i bytes = _mm_loadl_epi64((const __m128i *)(end - 8));
    return _mm_and_si128(bytes, _mm_loadl_epi64((const __m128i *)(KEEP_LAST + 8 + n)));
}

/* Return the four numbers that 16 digits are, four by four. */
static INLINE __m128i join_by_four(__m128i digits) {
    __m128i tens = _mm_and_si128(digits, _mm_set1_epi16(0xFF));
    tens = _mm_add_epi16(_mm_mullo_epi16(tens, _mm_set1_epi16(10)), _mm_srli_epi16(digits, 8));
    return _mm_madd_epi16(tens, _mm_set1_epi32(1 << 16 | 100));
}

/* Return the four numbers of eight digits that eight numbers of four digits are, two by two. */
static INLINE __m128i join_pairs(__m128i numbers) {
    return _mm_madd_epi16(numbers, _mm_set1_epi32(1 << 16 | 10000));
}

/* Return the four numbers that 32 digits are, eight by eight. */
static INLINE __m128i join_by_eight(__m128i first, __m128i last) {
    return join_pairs(_mm_packs_epi32(join_by_four(first), join_by_four(last)));
}

/* Compute x and y; 0 where that needs more than is here. */
static INLINE int compute_position(const Text *s, const Decimal *x, const Decimal *y, double *out) {
    ptrdiff_t kx = x->end - x->point - 1, ky = y->end - y->point - 1;
    if (kx > MAX_FRACTION || ky > MAX_FRACTION) return 0;
    __m128i whole = _mm_unpacklo_epi64(load_8_digits(x->point, x->point - x->first),
                                       load_8_digits(y->point, y->point - y->first));
    __m128i fractions = join_by_eight(load_16_digits(x->end, kx), load_16_digits(y->end, ky));
    __m128i four = join_by_four(whole);
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(join_pairs(_mm_packs_epi32(four, four)));
    uint64_t fx = (uint64_t)_mm_cvtsi128_si64(fractions);
    uint64_t fy = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(fractions, fractions));
    uint64_t digits_x = (uint32_t)both * POWERS[kx] + (uint32_t)fx * POWERS[8] + (fx >> 32);
    uint64_t digits_y = (both >> 32) * POWERS[ky] + (uint32_t)fy * POWERS[8] + (fy >> 32);
    return divide_decimal(s, digits_x, kx, x->sign, out) &
           divide_decimal(s, digits_y, ky, y->sign, out + 1);
}

/* Find four digits at most on either side of a point, if there is one, and the byte `end` behind
 * them, as `find_decimal`; write them, with zeros around, as eight digits. */
static INLINE int find_label(const char *p, ptrdiff_t *at, uint64_t *others, char end, uint64_t *digits) {
    const char *first = p + *at;
    if (!*others) return 0;
    ptrdiff_t point = __builtin_ctzll(*others), stop = point;
    *others &= *others - 1;
    ptrdiff_t whole = point - *at, fraction = 0;
    if (p[point] == '.') {
        if (!*others) return 0;
        stop = __builtin_ctzll(*others);
        *others &= *others - 1;
        fraction = stop - point - 1;
        if (fraction < 1 || fraction > DECIMALS) return 0;
    }
    *at = stop + 1;
    int has_zero_ahead = (*first == '0') & (whole > 1); /* one branch, because zeros come anywhere */
    if (p[stop] != end || whole < 1 || whole > 4 || has_zero_ahead) return 0;
    *digits = align_whole(first, whole) | (uint64_t)align_fraction(p + point + 1, fraction) << 32;
    return 1;
}

/* Read a plain label of a list, up to the next one or behind the list, as packed x and y, and v;
 * NULL where anything is not plain. */
static INLINE const char *read_plain_label(const Text *s, const char *p, int32_t *xy, uint8_t *v,
                                           char last, int is_spaced) {
    if (s->limit - p < PLAIN_BYTES + 8) return NULL;
    uint64_t others = find_other_bytes(p), x, y;
    ptrdiff_t at = 0;
    if (!find_label(p, &at, &others, ',', &x)) return NULL;
    if (!skip_space(p, &at, &others, is_spaced)) return NULL;
    if (!find_label(p, &at, &others, ',', &y)) return NULL;
    if (!skip_space(p, &at, &others, is_spaced)) return NULL;
    if (p[at] < '0' || p[at] > '2') return NULL;
    *v = (uint8_t)(p[at++] - '0');
    if (p[at] == '.' && p[at + 1] == '0') at += 2; /* some write 2.0 */
    if (p[at++] != last) return NULL;
    if (last == ',' && !skip_space(p, &at, &others, is_spaced)) return NULL;
    __m128i four = join_by_four(_mm_set_epi64x((int64_t)y, (int64_t)x));
    _mm_storel_epi64((__m128i *)xy, join_pairs(_mm_packs_epi32(four, four)));
    return p + at;
}

/* Read a plain joint of a list of numbers, of which the last is checked and becomes 0, up to the
 * next one or behind the list; NULL where anything is not plain. A list of keypoints and its name
 * have more than 16 bytes before the first fraction ends. */
static INLINE const char *read_plain_joint(const Text *s, const char *p, double *out, char last,
                                           int is_spaced) {
    if (s->limit - p < JOINT_BYTES + 2) return NULL;
    uint64_t others = ((uint64_t)find_other_bytes(p + PLAIN_BYTES) << 32) | find_other_bytes(p);
    Decimal x, y, value;
    ptrdiff_t at = 0;
    if (!find_decimal(p, &at, &others, ',', &x)) return NULL;
    if (!skip_space(p, &at, &others, is_spaced)) return NULL;
    if (!find_decimal(p, &at, &others, ',', &y)) return NULL;
    if (!skip_space(p, &at, &others, is_spaced)) return NULL;
    if (!find_decimal(p, &at, &others, last, &value)) return NULL;
    if (last == ',' && !skip_space(p, &at, &others, is_spaced)) return NULL;
    if (!compute_position(s, &x, &y, out)) return NULL;
    out[2] = 0.0;
    return p + at;
}
#else
static INLINE const char *read_plain_joint(const Text *s, const char *p, double *out, char last,
                                           int is_spaced) {
    (void)s, (void)p, (void)out, (void)last, (void)is_spaced;
    return NULL;
}

static inline const char *read_plain_label(const Text *s, const char *p, int32_t *xy, uint8_t *v,
                                           char last, int is_spaced) {
    (void)s, (void)p, (void)xy, (void)v, (void)last, (void)is_spaced;
    return NULL;
}
#endif

/* Read the x and y of every `x, y, value` of a list; the values are checked and become 0. */
static int read_positions(Text *s, double *out, Py_ssize_t num_values) {
    if (!accept(s, '[')) return -1;
    const char *p = skip_blanks_at(s, s->p);
    for (Py_ssize_t n = 0; n < num_values; n += 3) {
        char last = n + 3 < num_values ? ',' : ']';
        const char *next = read_plain_joint(s, p, out + n, last, 1);
        if (UNLIKELY(!next)) next = read_plain_joint(s, p, out + n, last, 0);
        if (next) {
            p = last == ',' ? skip_blanks_at(s, next) : next;
            continue;
        }
        if (!(p = read_number_at(s, p, out + n))) return -1;
        if (!(p = end_value_at(s, p, n, num_values))) return -1;
        if (!(p = read_number_at(s, p, out + n + 1))) return -1;
        if (!(p = end_value_at(s, p, n + 1, num_values))) return -1;
        if (!(p = check_number_at(s, p))) return -1;
        if (!(p = end_value_at(s, p, n + 2, num_values))) return -1;
        out[n + 2] = 0.0;
    }
    s->p = p;
    return 0;
}

/* Read `x, y, v` of a list as packed x and y, and v of 0, 1 or 2. */
static int read_packed_keypoints(Text *s, int32_t *xy, uint8_t *visibility, Py_ssize_t num_values) {
    if (!accept(s, '[')) return -1;
    const char *p = skip_blanks_at(s, s->p);
    for (Py_ssize_t n = 0; n < num_values; n += 3) {
        char last = n + 3 < num_values ? ',' : ']';
        const char *next = read_plain_label(s, p, xy, visibility, last, 1);
        if (UNLIKELY(!next)) next = read_plain_label(s, p, xy, visibility, last, 0);
        if (next) {
            p = last == ',' ? skip_blanks_at(s, next) : next;
            xy += 2;
            visibility++;
            continue;
        }
        if (!(p = read_packed_at(s, p, xy++))) return -1;
        if (!(p = end_value_at(s, p, n, num_values))) return -1;
        if (!(p = read_packed_at(s, p, xy++))) return -1;
        if (!(p = end_value_at(s, p, n + 1, num_values))) return -1;
        if (!(p = read_visibility_at(s, p, visibility++))) return -1;
        if (!(p = end_value_at(s, p, n + 2, num_values))) return -1;
    }
    s->p = p;
    return 0;
}

#define MAX_DEPTH 64 /* nesting of a value that is skipped */

/* Read the four hexadecimal digits of \uXXXX at p; -1 where there are none. */
static int read_code_unit(const char *p, const char *end) {
    int value = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return -1;
    for (int i = 2; i < 6; i++) {
        char c = p[i];
        int is_digit = c >= '0' && c <= '9', is_letter = (c | 32) >= 'a' && (c | 32) <= 'f';
        if (!is_digit && !is_letter) return -1;
        value = value * 16 + (is_digit ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
}

/* Return the end of the escape at p, of two for a pair of surrogates; NULL where it is none. */
static const char *skip_escape(const char *p, const char *end) {
    if (end - p < 2) return NULL;
    switch (p[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': return p + 2;
    case 'u': break;
    default: return NULL;
    }
    int unit = read_code_unit(p, end);
    if (unit < 0) return NULL;
    if (unit < 0xD800 || unit > 0xDFFF) return p + 6;
    if (unit > 0xDBFF) return NULL;
    int low = read_code_unit(p + 6, end);
    return low >= 0xDC00 && low <= 0xDFFF ? p + 12 : NULL;
}

/* Skip a string, which must be valid. */
static int skip_string(Text *s) {
    const char *p = s->p + 1;
    for (;;) {
        p = skip_plain(p, s->end);
        if (p >= s->end) return -1;
        unsigned char c = (unsigned char)*p;
        if (c == '"') break;
        if (c < 0x20) return -1;
        if (c == '\\') p = skip_escape(p, s->end);
        else p = c < 0x80 ? p + 1 : skip_utf8(p, s->end);
        if (!p) return -1;
    }
    s->p = p + 1;
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

/* Skip a value that is not needed; it must be valid JSON all the same. */
static int skip_value(Text *s, int depth) {
    skip_blanks(s);
    if (s->p >= s->end || depth > MAX_DEPTH) return -1;
    char c = *s->p;
    if (c == '"') return skip_string(s);
    if (c == 't') return accept_word(s, "true") ? 0 : -1;
    if (c == 'f') return accept_word(s, "false") ? 0 : -1;
    if (c == 'n') return accept_word(s, "null") ? 0 : -1;
    if (c != '[' && c != '{') return skip_number(s);
    char close = c == '[' ? ']' : '}';
    s->p++;
    if (accept(s, close)) return 0;
    for (;;) {
        skip_blanks(s);
        if (c == '{' && (!next_is(s, '"') || skip_string(s) < 0 || !accept(s, ':'))) return -1;
        if (skip_value(s, depth + 1) < 0) return -1;
        if (accept(s, close)) return 0;
        if (!accept(s, ',')) return -1;
    }
}

static int skip_any(Text *s) { return skip_value(s, 0); }

static int key_is(const char *key, Py_ssize_t n, const char *name) {
    return (size_t)n == strlen(name) && !memcmp(key, name, (size_t)n);
}

/* Read a string as its index in "one\0two\0"; unknown strings and null are 0. */
static int read_word_index(Text *s, const char *known, Py_ssize_t size, int8_t *out) {
    const char *text;
    Py_ssize_t n;
    *out = 0;
    if (accept_word(s, "null")) return 0;
    if (read_string(s, &text, &n) < 0) return -1;
    int8_t index = 0;
    for (const char *k = known; k < known + size; k += strlen(k) + 1, index++)
        if ((size_t)n == strlen(k) && !memcmp(k, text, (size_t)n)) *out = index;
    return 0;
}

/* Read what follows a value: 1 for a comma, 0 for the end of the record, -1 for neither. */
static int read_separator(Text *s) {
    skip_blanks(s);
    if (!(s->p < s->end)) return -1;
    char c = *s->p++;
    return c == ',' ? 1 : c == '}' ? 0 : -1;
}

static int read_key_and_colon(Text *s, const char **key, Py_ssize_t *n) {
    if (read_string(s, key, n) < 0 || !accept(s, ':')) return -1;
    skip_blanks(s);
    return s->p < s->end ? 0 : -1;
}

/* Read the value of a key and return the key's bit; 0 when it is not needed, -1 when unusual. */
typedef int (*Field)(Text *s, void *to, Py_ssize_t row, const char *key, Py_ssize_t n);

/* Read all values of a pose into row `row` of keypoints. */
static int read_keypoints(Text *s, double *keypoints, Py_ssize_t num_values, Py_ssize_t row) {
    return read_numbers(s, keypoints + row * num_values, num_values) == num_values ? 0 : -1;
}

/* Read an object. Each key may occur once; those in `required` must occur. */
static inline int read_record(Text *s, Field field, void *to, Py_ssize_t row, int required) {
    int seen = 0, next;
    if (!accept(s, '{')) return -1;
    do {
        const char *key;
        Py_ssize_t n;
        if (read_key_and_colon(s, &key, &n) < 0) return -1;
        int bit = field(s, to, row, key, n);
        if (bit < 0 || (bit == 0 && skip_any(s) < 0) || (seen & bit)) return -1;
        seen |= bit;
        next = read_separator(s);
    } while (next == 1);
    return next < 0 || (seen & required) != required ? -1 : 0;
}

typedef struct {
    int64_t *image_ids, *category_ids;
    double *scores, *keypoints, *boxes; /* boxes are NaN where there is none */
    uint8_t *has_box;
    Py_ssize_t num_values; /* per pose */
    int positions_only;    /* the third value of each joint is not needed */
} Results;

static int read_result_field(Text *s, void *results, Py_ssize_t row, const char *key,
                             Py_ssize_t n) {
    const Results *to = results;
    if (key_is(key, n, "keypoints") && to->positions_only)
        return read_positions(s, to->keypoints + row * to->num_values, to->num_values) < 0 ? -1 : 1;
    if (key_is(key, n, "keypoints"))
        return read_keypoints(s, to->keypoints, to->num_values, row) < 0 ? -1 : 1;
    if (key_is(key, n, "score")) return read_number(s, to->scores + row) < 0 ? -1 : 2;
    if (key_is(key, n, "image_id")) return read_integer(s, to->image_ids + row) < 0 ? -1 : 4;
    if (key_is(key, n, "category_id")) return read_integer(s, to->category_ids + row) < 0 ? -1 : 8;
    if (key_is(key, n, "file_name")) return -1; /* decides which image; left to the slow reader */
    if (!key_is(key, n, "bbox")) return 0;
    if (accept_word(s, "null")) return 16;
    Py_ssize_t values = read_numbers(s, to->boxes + row * 4, 4);
    to->has_box[row] = values == 4;
    return values == 4 || values == 0 ? 16 : -1;
}

static int read_result(Text *s, Results *to, Py_ssize_t row) {
    to->category_ids[row] = 1;
    to->has_box[row] = 0;
    for (int i = 0; i < 4; i++) to->boxes[4 * row + i] = Py_NAN;
    return read_record(s, read_result_field, to, row, 1 | 2 | 4); /* keypoints, score, image_id */
}

typedef struct {
    Text s;
    Results to;
    Py_ssize_t row, capacity, count;
} ResultScan;

static void scan_result_list(void *context) {
    ResultScan *scan = context;
    Text s = scan->s;
    Py_ssize_t count = 0;
    scan->count = -1;
    for (;;) {
        Py_ssize_t row = scan->row + count;
        if (row >= scan->capacity || read_result(&s, &scan->to, row) < 0) return;
        count++;
        skip_blanks(&s);
        char c = s.p < s.end ? *s.p++ : 0;
        skip_blanks(&s);
        /* A chunk ends after a comma, the last one after the bracket that ends the file. */
        if (s.p >= s.end && (c == ',' || c == ']')) break;
        if (c != ',') return;
    }
    scan->count = count;
}

/* scan_results(data, start, stop, row, num_values, positions_only, reciprocals, image_ids,
 *              category_ids, scores, keypoints, boxes, has_box)
 *     -> number of records, -1 when something is unusual */
static PyObject *scan_results(PyObject *self, PyObject *args) {
    Py_buffer b[8];
    Py_ssize_t start, stop, row, num_values;
    int positions_only;
    if (!PyArg_ParseTuple(args, "y*nnnnpy*w*w*w*w*w*w*", &b[0], &start, &stop, &row,
                          &num_values, &positions_only, &b[1], &b[2], &b[3], &b[4], &b[5], &b[6], &b[7]))
        return NULL;
    ResultScan scan = {
        .s = {(const char *)b[0].buf + start, (const char *)b[0].buf + stop,
              (const char *)b[0].buf + b[0].len, b[1].buf, (int)(b[1].len / 16)},
        .to = {
            .image_ids = b[2].buf,
            .category_ids = b[3].buf,
            .scores = b[4].buf,
            .keypoints = b[5].buf,
            .boxes = b[6].buf,
            .has_box = b[7].buf,
            .num_values = num_values,
            .positions_only = positions_only,
        },
        .row = row,
        .capacity = b[2].len / (Py_ssize_t)sizeof(int64_t),
    };
    int result = run_scan(scan_result_list, &scan);
    release(b, 8);
    return result < 0 ? NULL : PyLong_FromSsize_t(scan.count);
}

typedef struct {
    int64_t *ids, *image_ids, *category_ids, *num_keypoints;
    uint8_t *iscrowd;
    double *areas, *boxes, *keypoints, *segmentation_areas;
    int32_t *packed;     /* in place of `keypoints` */
    uint8_t *visibility; /* NULL where keypoints are not packed */
    int8_t *sources, *box_rules;
    const char *source_names, *rule_names;
    Py_ssize_t num_values, source_names_size, rule_names_size;
    uint64_t derived; /* a bit for each derived joint of the current record */
} Annotations;

static int read_area(Text *s, double *out) {
    return accept_word(s, "null") ? 0 : read_number(s, out);
}

static int read_flag(Text *s, uint8_t *out) {
    int64_t value = 1;
    if (accept_word(s, "false")) value = 0;
    else if (!accept_word(s, "true") && read_integer(s, &value) < 0) return -1;
    *out = value != 0;
    return 0;
}

/* Read `[1, 8, …]`, joints counted from 1, as bits. */
static int read_joint_bits(Text *s, Py_ssize_t num_values, uint64_t *out) {
    int64_t joint;
    if (!accept(s, '[')) return -1;
    if (accept(s, ']')) return 0;
    do {
        if (read_integer(s, &joint) < 0) return -1;
        if (joint < 1 || joint > 64 || 3 * joint > num_values) return -1;
        *out |= (uint64_t)1 << (joint - 1);
    } while (accept(s, ','));
    return accept(s, ']') ? 0 : -1;
}

static int read_annotation_field(Text *s, void *annotations, Py_ssize_t row, const char *key,
                                 Py_ssize_t n) {
    Annotations *to = annotations;
    if (key_is(key, n, "keypoints")) {
        Py_ssize_t first = row * (to->num_values / 3), num_values = to->num_values;
        int result = to->visibility
            ? read_packed_keypoints(s, to->packed + 2 * first, to->visibility + first, num_values)
            : read_keypoints(s, to->keypoints, num_values, row);
        return result < 0 ? -1 : 1;
    }
    if (key_is(key, n, "bbox")) return read_numbers(s, to->boxes + row * 4, 4) == 4 ? 2 : -1;
    if (key_is(key, n, "id")) return read_integer(s, to->ids + row) < 0 ? -1 : 4;
    if (key_is(key, n, "image_id")) return read_integer(s, to->image_ids + row) < 0 ? -1 : 8;
    if (key_is(key, n, "num_keypoints"))
        return read_integer(s, to->num_keypoints + row) < 0 ? -1 : 16;
    if (key_is(key, n, "category_id")) return read_integer(s, to->category_ids + row) < 0 ? -1 : 32;
    if (key_is(key, n, "iscrowd")) return read_flag(s, to->iscrowd + row) < 0 ? -1 : 64;
    if (key_is(key, n, "area")) return read_area(s, to->areas + row) < 0 ? -1 : 128;
    if (key_is(key, n, "segmentation_area"))
        return read_area(s, to->segmentation_areas + row) < 0 ? -1 : 256;
    if (key_is(key, n, "source")) {
        int8_t *source = to->sources + row;
        return read_word_index(s, to->source_names, to->source_names_size, source) < 0 ? -1 : 512;
    }
    if (key_is(key, n, "box_rule")) {
        int8_t *rule = to->box_rules + row;
        return read_word_index(s, to->rule_names, to->rule_names_size, rule) < 0 ? -1 : 1024;
    }
    if (key_is(key, n, "derived"))
        return read_joint_bits(s, to->num_values, &to->derived) < 0 ? -1 : 2048;
    return 0;
}

/* Joints that `build --derive` computed are not labels. */
static void drop_derived_joints(Annotations *to, Py_ssize_t row) {
    Py_ssize_t joint = row * (to->num_values / 3);
    for (uint64_t derived = to->derived; derived; joint++, derived >>= 1) {
        if (!(derived & 1)) continue;
        if (to->visibility) {
            to->packed[2 * joint] = to->packed[2 * joint + 1] = 0;
            to->visibility[joint] = 0;
        } else {
            double *point = to->keypoints + 3 * joint;
            point[0] = point[1] = point[2] = 0;
        }
    }
}

static int read_annotation(Text *s, Annotations *to, Py_ssize_t row) {
    to->category_ids[row] = 1;
    to->iscrowd[row] = 0;
    to->sources[row] = to->box_rules[row] = 0;
    to->areas[row] = to->segmentation_areas[row] = Py_NAN;
    to->derived = 0;
    /* Required: keypoints, bbox, id, image_id, num_keypoints. */
    int result = read_record(s, read_annotation_field, to, row, 1 | 2 | 4 | 8 | 16);
    if (to->derived) drop_derived_joints(to, row);
    return result;
}

typedef struct {
    Text s;
    Annotations to;
    Py_ssize_t first, last, count;
    int is_open; /* the list goes on behind the records that were read */
} AnnotationScan;

/* Read records first … last - 1 of a list, fewer where it ends before; how many, or -1. */
static Py_ssize_t read_annotation_list(AnnotationScan *scan) {
    Text *s = &scan->s;
    scan->is_open = 0;
    if (scan->first == 0) {
        if (!accept(s, '[')) return -1;
        if (accept(s, ']')) return 0;
    }
    for (Py_ssize_t row = scan->first; row < scan->last;) {
        if (read_annotation(s, &scan->to, row) < 0) return -1;
        row++;
        if (accept(s, ']')) return row - scan->first;
        if (!accept(s, ',')) return -1;
    }
    scan->is_open = 1;
    return scan->last - scan->first;
}

static void scan_annotation_list(void *context) {
    AnnotationScan *scan = context;
    scan->count = read_annotation_list(scan);
    skip_blanks(&scan->s);
}

/* scan_annotations(data, start, stop, first, last, num_values, reciprocals, source_names,
 *                  rule_names, visibility, ids, image_ids, category_ids, num_keypoints, iscrowd,
 *                  areas, boxes, keypoints, segmentation_areas, sources, box_rules)
 *     -> (number of records, where the next one begins or, behind the list and the blanks, what
 *         follows it, whether the list goes on) */
static PyObject *scan_annotations(PyObject *self, PyObject *args) {
    Py_buffer b[16];
    Py_ssize_t start, stop, first, last, num_values;
    if (!PyArg_ParseTuple(args, "y*nnnnny*y*y*w*w*w*w*w*w*w*w*w*w*w*w*", &b[0], &start, &stop,
                          &first, &last, &num_values, &b[1], &b[2], &b[3], &b[4], &b[5], &b[6], &b[7], &b[8],
                          &b[9], &b[10], &b[11], &b[12], &b[13], &b[14], &b[15]))
        return NULL;
    AnnotationScan scan = {
        .s = {(const char *)b[0].buf + start, (const char *)b[0].buf + stop,
              (const char *)b[0].buf + b[0].len, b[1].buf, (int)(b[1].len / 16)},
        .to = {
            .source_names = b[2].buf,
            .source_names_size = b[2].len,
            .rule_names = b[3].buf,
            .rule_names_size = b[3].len,
            .ids = b[5].buf,
            .image_ids = b[6].buf,
            .category_ids = b[7].buf,
            .num_keypoints = b[8].buf,
            .iscrowd = b[9].buf,
            .areas = b[10].buf,
            .boxes = b[11].buf,
            .keypoints = b[12].buf,
            .packed = b[12].buf,
            .visibility = b[4].len ? b[4].buf : NULL,
            .segmentation_areas = b[13].buf,
            .sources = b[14].buf,
            .box_rules = b[15].buf,
            .num_values = num_values,
        },
        .first = first,
        .last = last,
    };
    Py_ssize_t capacity = b[5].len / (Py_ssize_t)sizeof(int64_t);
    if (scan.last > capacity) scan.last = capacity;
    int result = run_scan(scan_annotation_list, &scan);
    Py_ssize_t end = scan.s.p - (const char *)b[0].buf;
    release(b, 16);
    return result < 0 ? NULL : Py_BuildValue("nni", scan.count, end, scan.is_open);
}

#define MAX_KEY 256 /* bytes of a key that `read_key` returns */

typedef struct {
    Text s;
    Py_ssize_t length; /* -1 without a key */
    char key[MAX_KEY]; /* a copy, because the text may be gone when the scan has ended */
} KeyScan;

static void scan_key(void *context) {
    KeyScan *scan = context;
    const char *key;
    Py_ssize_t n;
    scan->length = -1;
    if (read_key_and_colon(&scan->s, &key, &n) < 0 || n > MAX_KEY) return;
    memcpy(scan->key, key, (size_t)n);
    scan->length = n;
}

/* read_key(data, position) -> (key, start of its value), or None; `position` is before the key of
 * a member of an object. */
static PyObject *read_key(PyObject *self, PyObject *args) {
    Py_buffer b;
    Py_ssize_t position;
    if (!PyArg_ParseTuple(args, "y*n", &b, &position)) return NULL;
    const char *data = b.buf;
    KeyScan scan = {.s = {data + position, data + b.len, data + b.len, NULL, 0}};
    int result = run_scan(scan_key, &scan);
    Py_ssize_t start = scan.s.p - data;
    PyBuffer_Release(&b);
    if (result < 0) return NULL;
    if (scan.length < 0) Py_RETURN_NONE;
    return Py_BuildValue("y#n", scan.key, scan.length, start);
}

typedef struct {
    Text s;
    const char *names; /* of fields that no record may have twice */
    Py_ssize_t names_size;
    int result;
} ValueScan;

static void scan_value(void *context) {
    ValueScan *scan = context;
    scan->result = skip_any(&scan->s);
    skip_blanks(&scan->s);
}

/* skip_value(data, position) -> where the value that begins there and the blanks behind it end; -1
 * when it is unusual. */
static PyObject *skip_value_at(PyObject *self, PyObject *args) {
    Py_buffer b;
    Py_ssize_t position;
    if (!PyArg_ParseTuple(args, "y*n", &b, &position)) return NULL;
    const char *data = b.buf;
    ValueScan scan = {.s = {data + position, data + b.len, data + b.len, NULL, 0}};
    int result = run_scan(scan_value, &scan);
    Py_ssize_t end = scan.s.p - data;
    PyBuffer_Release(&b);
    return result < 0 ? NULL : PyLong_FromSsize_t(scan.result < 0 ? -1 : end);
}

/* Read a key's index in "one\0two\0" as a bit; 0 for other keys. */
static uint32_t find_key_bit(const char *key, Py_ssize_t n, const char *names, Py_ssize_t size) {
    uint32_t bit = 1;
    for (const char *name = names; name < names + size; name += strlen(name) + 1, bit <<= 1)
        if (key_is(key, n, name)) return bit;
    return 0;
}

/* Skip an object in which none of the named keys occurs twice. */
static int skip_record(Text *s, const char *names, Py_ssize_t size) {
    uint32_t seen = 0;
    int next;
    if (!accept(s, '{')) return -1;
    if (accept(s, '}')) return 0;
    do {
        const char *key;
        Py_ssize_t n;
        if (read_key_and_colon(s, &key, &n) < 0) return -1;
        uint32_t bit = find_key_bit(key, n, names, size);
        if (skip_any(s) < 0 || (seen & bit)) return -1;
        seen |= bit;
        next = read_separator(s);
    } while (next == 1);
    return next;
}

static int skip_record_list(Text *s, const char *names, Py_ssize_t size) {
    if (!accept(s, '[')) return -1;
    if (accept(s, ']')) return 0;
    do {
        if (skip_record(s, names, size) < 0) return -1;
    } while (accept(s, ','));
    return accept(s, ']') ? 0 : -1;
}

static void scan_records(void *context) {
    ValueScan *scan = context;
    scan->result = skip_record_list(&scan->s, scan->names, scan->names_size);
    skip_blanks(&scan->s);
}

/* skip_records(data, position, names) -> where the list of objects that begins there and the blanks
 * behind it end; -1 when it is unusual or an object has one of the names "one\0two\0", at most 32,
 * twice. */
static PyObject *skip_records(PyObject *self, PyObject *args) {
    Py_buffer b[2];
    Py_ssize_t position;
    if (!PyArg_ParseTuple(args, "y*ny*", &b[0], &position, &b[1])) return NULL;
    const char *data = b[0].buf;
    ValueScan scan = {
        .s = {data + position, data + b[0].len, data + b[0].len, NULL, 0},
        .names = b[1].buf,
        .names_size = b[1].len,
    };
    int result = run_scan(scan_records, &scan);
    Py_ssize_t end = scan.s.p - data;
    release(b, 2);
    return result < 0 ? NULL : PyLong_FromSsize_t(scan.result < 0 ? -1 : end);
}

typedef struct {
    const char *p, *end;
    Py_ssize_t count;
} BraceScan;

static void scan_braces(void *context) {
    BraceScan *scan = context;
    const char *p = scan->p, *end = scan->end;
    Py_ssize_t count = 0;
    while (p < end && (p = memchr(p, '{', (size_t)(end - p)))) count++, p++;
    scan->count = count;
}

/* count_braces(data, start, stop) -> opening braces, an upper bound of the number of records. */
static PyObject *count_braces(PyObject *self, PyObject *args) {
    Py_buffer b;
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "y*nn", &b, &start, &stop)) return NULL;
    BraceScan scan = {(const char *)b.buf + start, (const char *)b.buf + stop, 0};
    int result = run_scan(scan_braces, &scan);
    PyBuffer_Release(&b);
    return result < 0 ? NULL : PyLong_FromSsize_t(scan.count);
}

/* find_cut(data, position, stop) -> start of the first record that begins after `position`: the
 * brace after `}` and `,`; -1 without one. */
static PyObject *find_cut(PyObject *self, PyObject *args) {
    Py_buffer b;
    Py_ssize_t position, stop;
    if (!PyArg_ParseTuple(args, "y*nn", &b, &position, &stop)) return NULL;
    const char *data = b.buf;
    Text s = {data + position, data + stop, data + b.len, NULL, 0};
    Py_ssize_t start = -1;
    while (s.p < s.end && (s.p = memchr(s.p, '}', (size_t)(s.end - s.p)))) {
        s.p++;
        Text ahead = s;
        if (!accept(&ahead, ',')) continue;
        skip_blanks(&ahead);
        if (!next_is(&ahead, '{')) continue;
        start = ahead.p - data;
        break;
    }
    PyBuffer_Release(&b);
    return PyLong_FromSsize_t(start);
}

/* parse_number(text, reciprocals) -> the number in front of blanks and one more character, or None
 * when it is unusual; for tests. */
static PyObject *parse_number(PyObject *self, PyObject *args) {
    Py_buffer b[2];
    if (!PyArg_ParseTuple(args, "y*y*", &b[0], &b[1])) return NULL;
    const char *text = b[0].buf;
    Text s = {text, text + b[0].len - 1, text + b[0].len, b[1].buf, (int)(b[1].len / 16)};
    double value = 0;
    int result = read_number(&s, &value);
    skip_blanks(&s);
    int is_complete = s.p == s.end;
    PyBuffer_Release(&b[0]);
    PyBuffer_Release(&b[1]);
    if (result == 0 && is_complete) return PyFloat_FromDouble(value);
    Py_RETURN_NONE;
}

static PyMethodDef read_methods[] = {
    {"scan_results", scan_results, METH_VARARGS, "Read results into columns."},
    {"scan_annotations", scan_annotations, METH_VARARGS, "Read annotations into columns."},
    {"read_key", read_key, METH_VARARGS, "Read the key of a member of an object."},
    {"skip_value", skip_value_at, METH_VARARGS, "Find the end of a value."},
    {"skip_records", skip_records, METH_VARARGS, "Find the end of a list of objects."},
    {"count_braces", count_braces, METH_VARARGS, "Count opening braces."},
    {"find_cut", find_cut, METH_VARARGS, "Find the start of the next record."},
    {"parse_number", parse_number, METH_VARARGS, "Parse one number."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_json", "Read and write COCO's JSON.", -1, read_methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__json(void) {
    PyObject *extension = PyModule_Create(&module);
    if (extension && PyModule_AddFunctions(extension, write_methods) < 0) {
        Py_DECREF(extension);
        return NULL;
    }
    return extension;
}
