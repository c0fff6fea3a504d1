/// What the names in `tokenizer.ggml.pre` stand for.
///
/// The expressions are those of the models' own `tokenizer.json` files. Vocabularies that were trained on text in
/// Unicode form C get that normalizer, which GGUF does not record.
struct GGUFPreTokenizers: Sendable {
    enum Step: Sendable {
        case pattern(String)
        case digits(isIndividual: Bool)
    }

    var steps: [Step]
    var normalizes = false
    var ignoresMerges = false
    var addsBeginning = false

    static func named(_ name: String) -> GGUFPreTokenizers? { byName[name] }

    static var names: [String] { byName.keys.filter { !$0.isEmpty }.sorted() }

    func preTokenizer(file: TokenizerFile) throws(TokenizerError) -> PreTokenizer {
        var result = PreTokenizer()
        for step in steps {
            let splitter: PreTokenizer.Splitter
            switch step {
            case .pattern(let source): splitter = try file.splitter(expression: source)
            case .digits(let isIndividual):
                splitter = .scalars(ScalarSet(.categories(UnicodeCategory.numbers)), runs: !isIndividual)
            }
            result.steps.append(.split(splitter, .isolated, isInverted: false))
        }
        return result
    }

    private static let byName: [String: GGUFPreTokenizers] = {
        var table: [String: GGUFPreTokenizers] = [:]
        func add(_ names: String, _ value: GGUFPreTokenizers) {
            for name in names.split(separator: " ") { table[String(name)] = value }
        }
        func patterns(_ sources: String...) -> GGUFPreTokenizers {
            GGUFPreTokenizers(steps: sources.map { .pattern($0) })
        }
        let gpt2 = patterns(KnownPatterns.gpt2)
        add("default gpt2 gpt-2 phi-2 mpt jais trillion granite-docling gigachat a.x-4.0 mellum exaone4", gpt2)
        add("jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe", gpt2)
        var normalizing = gpt2
        normalizing.normalizes = true
        add("olmo modern-bert", normalizing)

        let digits = GGUFPreTokenizers(steps: [.digits(isIndividual: true), .pattern(KnownPatterns.gpt2)])
        add("smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", digits)
        var falcon = patterns(#"[\p{P}\$\+<=>\^~\|`]+"#, KnownPatterns.gpt2)
        falcon.steps += [.digits(isIndividual: false), .pattern("[0-9][0-9][0-9]")]
        add("falcon", falcon)

        var llama3 = patterns(KnownPatterns.llama3)
        add("glm4 chatglm-bpe dbrx smaug-bpe", llama3)
        llama3.ignoresMerges = true
        llama3.addsBeginning = true
        add("llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", llama3)
        var jais2 = patterns(KnownPatterns.jais2)
        add("jais-2", jais2)
        jais2 = patterns(#"\p{N}{1,3}"#, KnownPatterns.miniCPM5)
        jais2.ignoresMerges = true
        add("minicpm5", jais2)

        var qwen = patterns(KnownPatterns.qwen2)
        add("hunyuan solar-open grok-2", qwen)
        add("laguna", patterns(#"[^\n]+|[\n]+"#, KnownPatterns.qwen2))
        qwen.normalizes = true
        add("qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2", qwen)
        qwen = patterns(KnownPatterns.qwen35)
        qwen.normalizes = true
        add("qwen35", qwen)

        add("gpt-4o llama4 kanana2 talkie minimax-m2", patterns(KnownPatterns.gpt4o))
        add("tiny_aya cohere2moe", patterns(#"\d{1,3}(?=(?:\d{3})*\b)"#, KnownPatterns.gpt4o))
        var tekken = patterns(KnownPatterns.tekken)
        tekken.ignoresMerges = true
        tekken.addsBeginning = true
        add("tekken", tekken)
        var youtu = patterns(KnownPatterns.youtuScripts, KnownPatterns.youtu)
        youtu.ignoresMerges = true
        add("youtu", youtu)

        add(
            "deepseek-llm",
            patterns(
                #"[\r\n]"#,
                KnownPatterns.deepSeekLetters,
                KnownPatterns.deepSeekPunctuation,
                #"\s+$"#,
                KnownPatterns.deepSeekIdeographs,
                #"\p{N}+"#
            )
        )
        add(
            "deepseek-coder",
            patterns(#"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, KnownPatterns.deepSeekIdeographs, #"\p{N}"#)
        )
        add(
            "deepseek-v3 hunyuan-dense joyai-llm",
            patterns(#"\p{N}{1,3}"#, KnownPatterns.deepSeekCJK, KnownPatterns.deepSeekV3)
        )
        add("bailingmoe bailingmoe2 llada-moe", patterns(KnownPatterns.bailing))
        add("seed-coder", patterns(KnownPatterns.seedCoder))
        add("exaone-moe", patterns(KnownPatterns.exaoneMoE))
        add("superbpe", patterns(#"\p{N}+"#, #"(?=(\d{3})+(?!\d))"#))
        add("poro-chat bloom gpt3-finnish", patterns(KnownPatterns.finnishWords))
        add("viking", patterns(KnownPatterns.finnishWords, #"\p{N}"#))
        return table
    }()
}
