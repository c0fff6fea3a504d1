import ModelFiles
import Tensor

extension WeightMatrix {
    /// A matrix of a mapped file; the view keeps the file mapped.
    package init(_ mapped: MappedMatrix) { self.init(mapped.matrix, owner: mapped.file) }
}

extension WeightVector {
    /// A vector of a mapped file; the view keeps the file mapped.
    package init(_ mapped: MappedVector) { self.init(mapped.pointer, count: mapped.count, owner: mapped.file) }
}
