// Loads libav when the first clip is opened, instead of with the program.
//
// libavformat and libavcodec bring some 130 libraries with them, of which a command about text needs none: linked, they were
// 60 of the 70 ms until such a command began, and a third of what a question read from a cold disk. So nothing is linked to
// them. Each of SK_AV_FUNCTIONS is a jump through a slot that sk_av_bind fills; a jump needs no signature, so it fits every
// version of the headers. The processor's and the system's ways are those of x86-64 and Linux, as the whole project's are.
#include "late_binding.h"
#include "CFFmpeg.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define LIBRARIES(each) \
    each(avutil, LIBAVUTIL_VERSION_MAJOR) \
    each(swresample, LIBSWRESAMPLE_VERSION_MAJOR) \
    each(swscale, LIBSWSCALE_VERSION_MAJOR) \
    each(avcodec, LIBAVCODEC_VERSION_MAJOR) \
    each(avformat, LIBAVFORMAT_VERSION_MAJOR)

static void used_before_loading(void) {
    fputs("soranji: a function of libav was called before sk_av_load\n", stderr);
    abort();
}

#define SLOT(library, name) __attribute__((visibility("hidden"))) void *sk_av_slot_##name = (void *)used_before_loading;
SK_AV_FUNCTIONS(SLOT)

#define JUMP(library, name) \
    __asm__(".text\n" \
            ".p2align 4\n" \
            ".globl sk_av_jump_" #name "\n" \
            ".hidden sk_av_jump_" #name "\n" \
            ".type sk_av_jump_" #name ", @function\n" \
            "sk_av_jump_" #name ":\n" \
            "    jmp *sk_av_slot_" #name "(%rip)\n" \
            ".size sk_av_jump_" #name ", . - sk_av_jump_" #name "\n");
SK_AV_FUNCTIONS(JUMP)

// What is open when this fails stays open, as it would if it had been linked.
const char *sk_av_bind(void) {
    static char failure[256];
#define OPEN(library, major) \
    void *const library = dlopen("lib" #library ".so." AV_STRINGIFY(major), RTLD_LAZY | RTLD_LOCAL); \
    if (!library) { \
        snprintf(failure, sizeof failure, "%s", dlerror()); \
        return failure; \
    }
    LIBRARIES(OPEN)
#define FILL(library, name) \
    sk_av_slot_##name = dlsym(library, #name); \
    if (!sk_av_slot_##name) return "lib" #library " has no function " #name;
    SK_AV_FUNCTIONS(FILL)
    return NULL;
}
