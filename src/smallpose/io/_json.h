/* What reading and writing JSON text share. */
#ifndef SMALLPOSE_TEXT_H
#define SMALLPOSE_TEXT_H

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
