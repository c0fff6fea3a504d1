// The C face of libsentencepiece. No C++ exception and no C++ type passes it.
//
// Texts are bytes with a length, never terminated. Where a function takes `error`, it stores nothing on success and on
// failure a text that the caller frees with sk_sentencepiece_free (NULL when there was no memory even for that).
#ifndef SK_SENTENCEPIECE_H
#define SK_SENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sk_sentencepiece sk_sentencepiece;

/// One piece of an encoded text and the bytes of the text that it covers.
typedef struct {
    int32_t id;
    uint32_t begin;
    uint32_t end;
} sk_sentencepiece_token;

/// Types of pieces, numbered as in the model's protobuf.
enum {
    SK_SENTENCEPIECE_NORMAL = 1,
    SK_SENTENCEPIECE_UNKNOWN = 2,
    SK_SENTENCEPIECE_CONTROL = 3,
    SK_SENTENCEPIECE_USER_DEFINED = 4,
    SK_SENTENCEPIECE_UNUSED = 5,
    SK_SENTENCEPIECE_BYTE = 6,
};

/// Reads a serialized model. NULL on failure.
sk_sentencepiece *sk_sentencepiece_create(const void *model, size_t count, char **error);
void sk_sentencepiece_destroy(sk_sentencepiece *processor);

/// Frees what this face allocated: tokens, texts, errors. NULL is fine.
void sk_sentencepiece_free(void *memory);

/// Number of pieces.
int32_t sk_sentencepiece_count(const sk_sentencepiece *processor);

/// Encodes a text into `*tokens` (freed by the caller). Safe from many threads at once. False on failure.
bool sk_sentencepiece_encode(const sk_sentencepiece *processor, const char *text, size_t count,
                             sk_sentencepiece_token **tokens, size_t *token_count, char **error);

/// Decodes ids, all below the number of pieces, into `*text` (freed by the caller). False on failure.
bool sk_sentencepiece_decode(const sk_sentencepiece *processor, const int32_t *ids, size_t id_count, char **text,
                             size_t *text_count, char **error);

/// The piece of an id, owned by the processor; false for ids out of range.
bool sk_sentencepiece_piece(const sk_sentencepiece *processor, int32_t id, const char **text, size_t *count);

/// The id of a piece, or that of the unknown piece.
int32_t sk_sentencepiece_id(const sk_sentencepiece *processor, const char *piece, size_t count);

/// Score and type of an id; 0 for ids out of range. A user-defined piece reads as normal: the library does not tell.
float sk_sentencepiece_score(const sk_sentencepiece *processor, int32_t id);
int32_t sk_sentencepiece_type(const sk_sentencepiece *processor, int32_t id);

/// Ids of the special pieces, -1 where the model has none.
int32_t sk_sentencepiece_unknown_id(const sk_sentencepiece *processor);
int32_t sk_sentencepiece_bos_id(const sk_sentencepiece *processor);
int32_t sk_sentencepiece_eos_id(const sk_sentencepiece *processor);
int32_t sk_sentencepiece_pad_id(const sk_sentencepiece *processor);

#ifdef __cplusplus
}
#endif

#endif
