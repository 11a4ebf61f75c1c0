// The inputs and outputs that an ONNX file declares, read without a session (onnx.proto3: ModelProto, GraphProto,
// ValueInfoProto), so that a package can be checked and listed in milliseconds.

export interface DeclaredTensor {
  name: string;
  /** TensorProto.DataType; 1 is float32. */
  type: number;
  /** One entry for each dimension: its size, or its symbol, or undefined where the file leaves it open. */
  shape: (number | string | undefined)[];
}
export interface DeclaredTensors {
  inputs: DeclaredTensor[];
  outputs: DeclaredTensor[];
}

type Field = { number: number; bytes: Uint8Array } | { number: number; value: number };

/** @throws {RangeError | TypeError} when the bytes are not protobuf with a graph */
export function declaredTensors(model: Uint8Array): DeclaredTensors {
  const graph = message(model, 7);
  if (!graph) throw new TypeError('it holds no graph');
  const inputs: DeclaredTensor[] = [];
  const outputs: DeclaredTensor[] = [];
  const initializers = new Set<string>();
  for (const field of fields(graph)) {
    if (!('bytes' in field)) continue;
    if (field.number === 5) initializers.add(string(field.bytes, 8));
    if (field.number === 11) inputs.push(valueInfo(field.bytes));
    if (field.number === 12) outputs.push(valueInfo(field.bytes));
  }
  // Files of IR version 3 and before list their weights as inputs too.
  return { inputs: inputs.filter(({ name }) => !initializers.has(name)), outputs };
}

function valueInfo(bytes: Uint8Array): DeclaredTensor {
  const tensor = message(message(bytes, 2) ?? new Uint8Array(), 1);
  if (!tensor) return { name: string(bytes, 1), type: 0, shape: [] };
  let type = 0;
  for (const field of fields(tensor)) if (field.number === 1 && 'value' in field) type = field.value;
  const shape: DeclaredTensor['shape'] = [];
  for (const field of fields(message(tensor, 2) ?? new Uint8Array()))
    if (field.number === 1 && 'bytes' in field) shape.push(dimension(field.bytes));
  return { name: string(bytes, 1), type, shape };
}

function dimension(bytes: Uint8Array): number | string | undefined {
  for (const field of fields(bytes)) {
    if (field.number === 1 && 'value' in field) return field.value;
    if (field.number === 2 && 'bytes' in field) return Buffer.from(field.bytes).toString('utf8');
  }
  return undefined;
}

function message(bytes: Uint8Array, number: number): Uint8Array | undefined {
  for (const field of fields(bytes)) if (field.number === number && 'bytes' in field) return field.bytes;
  return undefined;
}

function string(bytes: Uint8Array, number: number): string {
  return Buffer.from(message(bytes, number) ?? []).toString('utf8');
}

function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || scale > 2 ** 63) throw new RangeError('it is not a whole ONNX file');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    const wire = key % 8;
    if (wire === 0) yield { number, value: varint() };
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new RangeError('it is not a whole ONNX file');
      yield { number, bytes: bytes.subarray(at, at + length) };
      at += length;
    } else throw new TypeError('it is not an ONNX file');
  }
}
