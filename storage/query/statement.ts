// A statement that grows piece by piece, and the values that it speaks of.

export interface Statement {
  sql: string;
  parameters: unknown[];
}

export class Parameters {
  readonly values: unknown[];

  constructor(values: readonly unknown[] = []) {
    this.values = [...values];
  }

  /** Any of the values; of one alone, a comparison whose cost Postgres knows before it knows the value. */
  oneOf(column: string, values: readonly string[]): string {
    return values.length === 1 ? `${column} = ${this.add(values[0])}` : `${column} = any(${this.add(values)})`;
  }

  /** @param type in Postgres, where it does not follow from the place @returns how the statement names the value */
  add(value: unknown, type?: string): string {
    this.values.push(Array.isArray(value) ? value.map(storable) : storable(value));
    return `$${this.values.length}${type ? `::${type}` : ''}`;
  }
}

/** Postgres takes no NUL; neither is there one in what it holds, so that such a key finds nothing. */
const storable = (value: unknown): unknown => (typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : value);
