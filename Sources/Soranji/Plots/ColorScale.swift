import Glibc

/// Colours for numbers from 0 to 1: from a dark violet over blue and green to a light yellow.
///
/// Lightness rises evenly in the Oklab space, so that equal steps of the number look like equal steps, also in
/// greyscale and to people who do not tell red from green.
public enum ColorScale {
    /// The colour of `fraction`, which is taken into 0...1; not-a-number counts as 0.
    public static func color(_ fraction: Double) -> Color {
        let steps = Double(table.count - 1)
        let bounded = fraction.isNaN ? 0 : min(max(fraction, 0), 1)
        return table[Int((bounded * steps).rounded())]
    }

    /// 128 colours: enough that steps cannot be seen, few enough for a palette beside the text's colours.
    private static let table: [Color] = (0..<128).map { index in
        let fraction = Double(index) / 127
        let lightness = 0.25 + 0.67 * fraction
        // From violet (305 degrees) down to yellow (103), most colourful in the upper middle.
        let hue = (305 - 202 * fraction) * .pi / 180
        let chroma = 0.10 + 0.05 * fraction + 0.03 * sin(.pi * fraction)
        return oklch(lightness, chroma, hue)
    }

    /// Oklab polar coordinates to sRGB (Ottosson 2020), out-of-gamut components cut.
    private static func oklch(_ lightness: Double, _ chroma: Double, _ hue: Double) -> Color {
        let a = chroma * cos(hue)
        let b = chroma * sin(hue)
        let long = lightness + 0.3963377774 * a + 0.2158037573 * b
        let medium = lightness - 0.1055613458 * a - 0.0638541728 * b
        let short = lightness - 0.0894841775 * a - 1.2914855480 * b
        let (l, m, s) = (long * long * long, medium * medium * medium, short * short * short)
        return Color(
            component(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
            component(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
            component(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)
        )
    }

    /// Linear light to an sRGB byte.
    private static func component(_ linear: Double) -> UInt8 {
        let bounded = min(max(linear, 0), 1)
        let encoded = bounded <= 0.0031308 ? 12.92 * bounded : 1.055 * pow(bounded, 1 / 2.4) - 0.055
        return UInt8((encoded * 255).rounded())
    }
}
