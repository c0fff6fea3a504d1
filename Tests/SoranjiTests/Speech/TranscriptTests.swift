import JSONText
import Soranji
import Testing

struct TranscriptTests {
    private let transcript = Transcript(
        language: "en",
        duration: 3725.5,
        segments: [
            .init(start: 0, end: 2.04, text: "Hello & <you>"),
            .init(start: 3661.005, end: 3725.5, text: "a --> b\n\nc"),
        ]
    )

    @Test func writesSubtitles() {
        #expect(
            transcript.formatted(.srt) == """
                1
                00:00:00,000 --> 00:00:02,040
                Hello & <you>

                2
                01:01:01,005 --> 01:02:05,500
                a -> b c


                """
        )
        #expect(
            transcript.formatted(.vtt) == """
                WEBVTT

                00:00:00.000 --> 00:00:02.040
                Hello &amp; &lt;you&gt;

                01:01:01.005 --> 01:02:05.500
                a -&gt; b c


                """
        )
    }

    @Test func writesText() {
        #expect(transcript.formatted(.txt) == "Hello & <you>\na --> b c\n")
        #expect(
            transcript.formatted(.txt, timestamps: true) == """
                [00:00:00.000 --> 00:00:02.040] Hello & <you>
                [01:01:01.005 --> 01:02:05.500] a --> b c

                """
        )
        let empty = Transcript(language: nil, duration: 0, segments: [])
        #expect(empty.formatted(.txt).isEmpty && empty.formatted(.vtt) == "WEBVTT\n\n")
    }

    @Test func writesJSON() throws {
        let json = try JSON.parse(transcript.formatted(.json))
        #expect(json["language"]?.stringValue == "en" && json["duration"]?.doubleValue == 3725.5)
        #expect(json["segments"]?.arrayValue?.last?["start"]?.doubleValue == 3661.005)
        let odd = Transcript(language: nil, duration: .nan, segments: [.init(start: -1, end: .infinity, text: "x")])
        #expect(try JSON.parse(odd.formatted(.json))["language"]?.isNull == true)
        #expect(odd.formatted(.srt).contains("00:00:00,000 --> 00:00:00,000"))
    }
}
