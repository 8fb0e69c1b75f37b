/* Included by the reader and the writer of JSON. */
#ifndef SMALLPOSE_JSON_H
#define SMALLPOSE_JSON_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern PyMethodDef write_methods[];

#endif
