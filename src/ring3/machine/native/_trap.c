/* The thinnest C under the native machine's trap path: one ioctl that hands over a reply and waits
 * for the next trap, and access to a vehicle's memory. No policy, no state but the error class.
 * machine/native/step.py has the same functions in Python.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define USER_END ((Py_ssize_t)1 << 47)

static PyObject *fault_class; /* what the memory functions raise (EFAULT) */

static int reply(int fd, uint64_t id, long long value, long error, unsigned flags)
{
    struct seccomp_notif_resp resp = {.id = id, .val = value, .error = error, .flags = flags};
    return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

/* send(listener, id, value, error, flags) -> whether the target was still waiting */
static PyObject *trap_send(PyObject *self, PyObject *const *a, Py_ssize_t n)
{
    (void)self;
    if (n != 5)
        return PyErr_Format(PyExc_TypeError, "send takes 5 arguments");
    int fd = PyLong_AsLong(a[0]);
    uint64_t id = PyLong_AsUnsignedLongLong(a[1]);
    long long value = PyLong_AsUnsignedLongLongMask(a[2]);
    long error = PyLong_AsLong(a[3]);
    unsigned flags = PyLong_AsUnsignedLong(a[4]);
    if (PyErr_Occurred())
        return NULL;
    return PyBool_FromLong(reply(fd, id, value, error, flags) == 0);
}

/* step(listener, id, value) -> (id, tid, nr, ip, (a0 .. a5)): send the reply to id (unless 0), a
 * value in -4095..-1 being an error, then receive. Raises OSError; InterruptedError means again. */
static PyObject *trap_step(PyObject *self, PyObject *const *a, Py_ssize_t n)
{
    (void)self;
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "step takes 3 arguments");
    int fd = PyLong_AsLong(a[0]);
    uint64_t id = PyLong_AsUnsignedLongLong(a[1]);
    long long value = 0;
    if (id)
        value = PyLong_AsUnsignedLongLongMask(a[2]);
    if (PyErr_Occurred())
        return NULL;
    struct seccomp_notif req;
    int result, failed;
    Py_BEGIN_ALLOW_THREADS
    if (id) {
        if (value < 0 && value > -4096)
            reply(fd, id, 0, value, 0);
        else
            reply(fd, id, value, 0, 0);
    }
    memset(&req, 0, sizeof req);
    result = ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req);
    failed = errno;
    Py_END_ALLOW_THREADS
    if (result < 0) {
        errno = failed;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    PyObject *args = PyTuple_New(6), *trap = PyTuple_New(5);
    if (!args || !trap) {
        Py_XDECREF(args);
        Py_XDECREF(trap);
        return NULL;
    }
    for (int i = 0; i < 6; i++)
        PyTuple_SET_ITEM(args, i, PyLong_FromUnsignedLongLong(req.data.args[i]));
    PyTuple_SET_ITEM(trap, 0, PyLong_FromUnsignedLongLong(req.id));
    PyTuple_SET_ITEM(trap, 1, PyLong_FromUnsignedLong(req.pid));
    PyTuple_SET_ITEM(trap, 2, PyLong_FromLong(req.data.nr));
    PyTuple_SET_ITEM(trap, 3, PyLong_FromUnsignedLongLong(req.data.instruction_pointer));
    PyTuple_SET_ITEM(trap, 4, args);
    return trap;
}

static PyObject *fault(void)
{
    if (errno == EFAULT || errno == ESRCH || errno == EIO || !fault_class) {
        PyErr_SetNone(fault_class ? fault_class : PyExc_OSError);
        return NULL;
    }
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* load(pid, address, size) -> bytes, all of them or the fault class, also for more bytes than there
 * are addresses. A negative size is the caller's bug: ValueError. */
static PyObject *trap_load(PyObject *self, PyObject *const *a, Py_ssize_t n)
{
    (void)self;
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "load takes 3 arguments");
    pid_t pid = PyLong_AsLong(a[0]);
    unsigned long address = PyLong_AsUnsignedLongMask(a[1]);
    Py_ssize_t size = PyLong_AsSsize_t(a[2]);
    if (PyErr_Occurred())
        return NULL;
    if (size < 0)
        return PyErr_Format(PyExc_ValueError, "load of %zd bytes", size);
    if (size > USER_END) {
        errno = EFAULT;
        return fault();
    }
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    if (!data)
        return NULL;
    struct iovec local = {PyBytes_AS_STRING(data), size}, remote = {(void *)address, size};
    ssize_t got = size ? process_vm_readv(pid, &local, 1, &remote, 1, 0) : 0;
    if (got == size)
        return data;
    if (got >= 0)
        errno = EFAULT;
    Py_DECREF(data);
    return fault();
}

/* store(pid, address, buffer): all of it or the fault class */
static PyObject *trap_store(PyObject *self, PyObject *const *a, Py_ssize_t n)
{
    (void)self;
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "store takes 3 arguments");
    pid_t pid = PyLong_AsLong(a[0]);
    unsigned long address = PyLong_AsUnsignedLongMask(a[1]);
    Py_buffer view;
    if (PyErr_Occurred() || PyObject_GetBuffer(a[2], &view, PyBUF_SIMPLE) < 0)
        return NULL;
    struct iovec local = {view.buf, view.len}, remote = {(void *)address, view.len};
    ssize_t size = view.len;
    ssize_t put = size ? process_vm_writev(pid, &local, 1, &remote, 1, 0) : 0;
    int failed = errno;
    PyBuffer_Release(&view);
    if (put == size)
        Py_RETURN_NONE;
    errno = put >= 0 ? EFAULT : failed;
    return fault();
}

/* load_string(pid, address, limit) -> the bytes before the NUL, None if limit bytes hold none.
 * Reads page by page, so that a string that ends before an unmapped page is no fault. */
static PyObject *trap_load_string(PyObject *self, PyObject *const *a, Py_ssize_t n)
{
    (void)self;
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "load_string takes 3 arguments");
    pid_t pid = PyLong_AsLong(a[0]);
    unsigned long address = PyLong_AsUnsignedLongMask(a[1]);
    size_t limit = PyLong_AsSize_t(a[2]), have = 0;
    char small[4096], *text = small;
    if (PyErr_Occurred())
        return NULL;
    PyObject *result = NULL;
    while (have < limit) {
        size_t chunk = 4096 - ((address + have) & 4095);
        if (!have && chunk > 256)
            chunk = 256; /* most strings are short */
        if (chunk > limit - have)
            chunk = limit - have;
        if (text == small && have + chunk > sizeof small) {
            text = PyMem_Malloc(limit);
            if (!text)
                return PyErr_NoMemory();
            memcpy(text, small, have);
        }
        struct iovec local = {text + have, chunk}, remote = {(void *)(address + have), chunk};
        ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
        if (got <= 0) {
            if (got == 0)
                errno = EFAULT;
            fault();
            goto out;
        }
        char *end = memchr(text + have, 0, got);
        if (end) {
            result = PyBytes_FromStringAndSize(text, end - text);
            goto out;
        }
        have += got;
    }
    result = Py_NewRef(Py_None);
out:
    if (text != small)
        PyMem_Free(text);
    return result;
}

/* tgkill(pid, tid, signal): the one signal function os lacks. Errors are ignored: a thread that is
 * gone needs no kick, and its pidfd tells. */
static PyObject *trap_tgkill(PyObject *self, PyObject *const *a, Py_ssize_t n)
{
    (void)self;
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "tgkill takes 3 arguments");
    long pid = PyLong_AsLong(a[0]), tid = PyLong_AsLong(a[1]), signo = PyLong_AsLong(a[2]);
    if (PyErr_Occurred())
        return NULL;
    syscall(SYS_tgkill, pid, tid, signo);
    Py_RETURN_NONE;
}

/* set_fault(class): what the memory functions raise for an address that is not there */
static PyObject *trap_set_fault(PyObject *self, PyObject *cls)
{
    (void)self;
    Py_XSETREF(fault_class, Py_NewRef(cls));
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"send", (PyCFunction)(void (*)(void))trap_send, METH_FASTCALL, NULL},
    {"step", (PyCFunction)(void (*)(void))trap_step, METH_FASTCALL, NULL},
    {"tgkill", (PyCFunction)(void (*)(void))trap_tgkill, METH_FASTCALL, NULL},
    {"load", (PyCFunction)(void (*)(void))trap_load, METH_FASTCALL, NULL},
    {"store", (PyCFunction)(void (*)(void))trap_store, METH_FASTCALL, NULL},
    {"load_string", (PyCFunction)(void (*)(void))trap_load_string, METH_FASTCALL, NULL},
    {"set_fault", trap_set_fault, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_trap", "C step of the native machine's trap path.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__trap(void)
{
    return PyModule_Create(&module);
}
