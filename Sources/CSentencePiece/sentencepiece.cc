#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include <sentencepiece_processor.h>

#include "CSentencePiece.h"

struct sk_sentencepiece {
    sentencepiece::SentencePieceProcessor processor;
};

namespace {

char *copy(const char *text, size_t count) {
    char *memory = static_cast<char *>(std::malloc(count + 1));
    if (memory != nullptr) {
        if (count > 0) std::memcpy(memory, text, count);
        memory[count] = '\0';
    }
    return memory;
}

void report(char **error, const char *message) {
    if (error != nullptr) *error = copy(message, std::strlen(message));
}

// Runs `body`, turning a status that is not OK and any exception into an error text.
template <typename Body>
bool guarded(char **error, Body body) noexcept {
    try {
        const sentencepiece::util::Status status = body();
        if (status.ok()) return true;
        report(error, status.error_message());
    } catch (const std::exception &exception) {
        report(error, exception.what());
    } catch (...) {
        report(error, "an unknown exception");
    }
    return false;
}

sentencepiece::util::Status out_of_memory() {
    return sentencepiece::util::Status(sentencepiece::util::StatusCode::kResourceExhausted, "out of memory");
}

bool is_id(const sk_sentencepiece *processor, int32_t id) {
    return id >= 0 && id < processor->processor.GetPieceSize();
}

}  // namespace

sk_sentencepiece *sk_sentencepiece_create(const void *model, size_t count, char **error) {
    sk_sentencepiece *created = nullptr;
    const bool succeeded = guarded(error, [&] {
        created = new sk_sentencepiece();
        return created->processor.LoadFromSerializedProto(absl::string_view(static_cast<const char *>(model), count));
    });
    if (succeeded) return created;
    delete created;
    return nullptr;
}

void sk_sentencepiece_destroy(sk_sentencepiece *processor) { delete processor; }

void sk_sentencepiece_free(void *memory) { std::free(memory); }

int32_t sk_sentencepiece_count(const sk_sentencepiece *processor) { return processor->processor.GetPieceSize(); }

bool sk_sentencepiece_encode(const sk_sentencepiece *processor, const char *text, size_t count,
                             sk_sentencepiece_token **tokens, size_t *token_count, char **error) {
    return guarded(error, [&]() -> sentencepiece::util::Status {
        if (count > std::numeric_limits<uint32_t>::max()) {
            return sentencepiece::util::Status(sentencepiece::util::StatusCode::kInvalidArgument, "text above 4 GiB");
        }
        sentencepiece::ImmutableSentencePieceText encoded;
        const auto status = processor->processor.Encode(absl::string_view(text, count), encoded.mutable_proto());
        if (!status.ok()) return status;
        const size_t size = encoded.pieces_size();
        auto *list = static_cast<sk_sentencepiece_token *>(std::malloc((size + 1) * sizeof(sk_sentencepiece_token)));
        if (list == nullptr) return out_of_memory();
        for (size_t index = 0; index < size; ++index) {
            const auto piece = encoded.pieces(static_cast<int>(index));
            list[index] = {static_cast<int32_t>(piece.id()), piece.begin(), piece.end()};
        }
        *tokens = list;
        *token_count = size;
        return status;
    });
}

bool sk_sentencepiece_decode(const sk_sentencepiece *processor, const int32_t *ids, size_t id_count, char **text,
                             size_t *text_count, char **error) {
    return guarded(error, [&]() -> sentencepiece::util::Status {
        std::string decoded;
        const auto status = processor->processor.Decode(std::vector<int>(ids, ids + id_count), &decoded);
        if (!status.ok()) return status;
        char *memory = copy(decoded.data(), decoded.size());
        if (memory == nullptr) return out_of_memory();
        *text = memory;
        *text_count = decoded.size();
        return status;
    });
}

bool sk_sentencepiece_piece(const sk_sentencepiece *processor, int32_t id, const char **text, size_t *count) {
    if (!is_id(processor, id)) return false;
    return guarded(nullptr, [&]() -> sentencepiece::util::Status {
        const std::string &piece = processor->processor.IdToPiece(id);
        *text = piece.data();
        *count = piece.size();
        return sentencepiece::util::Status();
    });
}

int32_t sk_sentencepiece_id(const sk_sentencepiece *processor, const char *piece, size_t count) {
    int32_t id = -1;
    guarded(nullptr, [&]() -> sentencepiece::util::Status {
        id = processor->processor.PieceToId(absl::string_view(piece, count));
        return sentencepiece::util::Status();
    });
    return id;
}

float sk_sentencepiece_score(const sk_sentencepiece *processor, int32_t id) {
    return is_id(processor, id) ? processor->processor.GetScore(id) : 0;
}

int32_t sk_sentencepiece_type(const sk_sentencepiece *processor, int32_t id) {
    if (!is_id(processor, id)) return 0;
    if (processor->processor.IsUnknown(id)) return SK_SENTENCEPIECE_UNKNOWN;
    if (processor->processor.IsControl(id)) return SK_SENTENCEPIECE_CONTROL;
    if (processor->processor.IsUnused(id)) return SK_SENTENCEPIECE_UNUSED;
    if (processor->processor.IsByte(id)) return SK_SENTENCEPIECE_BYTE;
    return SK_SENTENCEPIECE_NORMAL;
}

int32_t sk_sentencepiece_unknown_id(const sk_sentencepiece *processor) { return processor->processor.unk_id(); }
int32_t sk_sentencepiece_bos_id(const sk_sentencepiece *processor) { return processor->processor.bos_id(); }
int32_t sk_sentencepiece_eos_id(const sk_sentencepiece *processor) { return processor->processor.eos_id(); }
int32_t sk_sentencepiece_pad_id(const sk_sentencepiece *processor) { return processor->processor.pad_id(); }
