// Writes ONNX files, so that a test can have the network that it needs: protobuf by hand (onnx.proto3), which is little.

export interface OnnxNode {
  op: string;
  inputs: string[];
  outputs: string[];
  /** Whole numbers alone: one, or a list. */
  attributes?: Record<string, number | number[]>;
}

export interface OnnxGraph {
  nodes: OnnxNode[];
  /** Numbers that the nodes take: float32, or int64 where they are bigint. */
  constants: Record<string, { dims: number[]; values: number[] | bigint[] }>;
  /** float32; a dimension by name is open. */
  inputs: Record<string, (number | string)[]>;
  outputs: Record<string, (number | string)[]>;
}

const [FLOAT, INT64] = [1, 7];
const [INT, INTS] = [2, 7];
const OPSET = 13;

/** Bytes of a ModelProto. */
export function onnxFile({ nodes, constants, inputs, outputs }: OnnxGraph): Buffer {
  const graph = Buffer.concat([
    ...nodes.map((node) => message(1, nodeProto(node))),
    text(2, 'test'),
    ...Object.entries(constants).map(([name, constant]) => message(5, tensorProto(name, constant))),
    ...Object.entries(inputs).map(([name, shape]) => message(11, valueInfo(name, shape))),
    ...Object.entries(outputs).map(([name, shape]) => message(12, valueInfo(name, shape))),
  ]);
  const opset = message(8, Buffer.concat([text(1, ''), number(2, OPSET)]));
  return Buffer.concat([number(1, 7), text(2, 'hilum tests'), message(7, graph), opset]);
}

function nodeProto({ op, inputs, outputs, attributes = {} }: OnnxNode): Buffer {
  return Buffer.concat([
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) => message(5, attributeProto(name, value))),
  ]);
}

function attributeProto(name: string, value: number | number[]): Buffer {
  if (!Array.isArray(value)) return Buffer.concat([text(1, name), number(3, value), number(20, INT)]);
  return Buffer.concat([text(1, name), ...value.map((each) => number(8, each)), number(20, INTS)]);
}

function tensorProto(name: string, { dims, values }: OnnxGraph['constants'][string]): Buffer {
  const isWhole = typeof values[0] === 'bigint';
  const data = isWhole ? BigInt64Array.from(values as bigint[]) : Float32Array.from(values as number[]);
  return Buffer.concat([...dims.map((size) => number(1, size)), number(2, isWhole ? INT64 : FLOAT), text(8, name), message(9, Buffer.from(data.buffer))]);
}

function valueInfo(name: string, shape: (number | string)[]): Buffer {
  const dimensions = shape.map((size) => message(1, typeof size === 'string' ? text(2, size) : number(1, size)));
  const tensor = Buffer.concat([number(1, FLOAT), message(2, Buffer.concat(dimensions))]);
  return Buffer.concat([text(1, name), message(2, message(1, tensor))]);
}

function message(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

function text(field: number, value: string): Buffer {
  return message(field, Buffer.from(value));
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

/** Of numbers from 0. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Buffer.from([...bytes, value]);
}
