#ifndef SK_LATE_BINDING_H
#define SK_LATE_BINDING_H

// Opens the libraries and fills the slots of all functions. NULL, or why it failed: text that stays. To be called once.
const char *sk_av_bind(void);

#endif
