import Experts
import ModelFiles
import Tensor

/// Where weights lie: tensors by their names, with shapes held against what the configuration asks for.
protocol NamedWeights {
    func matrix(named name: String) throws(ModelFileError) -> MappedMatrix
    func vector(named name: String) throws(ModelFileError) -> MappedVector
}

extension Bundle: NamedWeights {}

extension NamedWeights {
    /// The matrix `[rows x columns]` of this name.
    ///
    /// - Throws: ``ModelError/wrongShape(tensor:found:expected:)``, and ``ModelFileError`` where there is none.
    func matrix(_ name: String, _ rows: Int, _ columns: Int) throws -> WeightMatrix {
        let matrix = WeightMatrix(try matrix(named: name))
        guard matrix.rows == rows, matrix.columns == columns else {
            throw ModelError.wrongShape(
                tensor: name,
                found: "\(matrix.rows)x\(matrix.columns)",
                expected: "\(rows)x\(columns)"
            )
        }
        return matrix
    }

    /// The vector of `count` numbers of this name. Errors are those of ``matrix(_:_:_:)``.
    func vector(_ name: String, _ count: Int) throws -> WeightVector {
        let vector = WeightVector(try vector(named: name))
        guard vector.count == count else {
            throw ModelError.wrongShape(tensor: name, found: "\(vector.count)", expected: "\(count)")
        }
        return vector
    }
}
