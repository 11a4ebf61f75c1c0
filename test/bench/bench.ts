// What a measurement is: ours and a peer's on the same machine in the same run; ratios carry over, absolute figures do not.

export interface BenchRow {
  name: string;
  ours: number;
  /** The peer's figure; undefined where the peer is not installed. */
  peer: number | undefined;
  /** Of how many: MB/s, images/s; more is better. */
  unit: string;
  /** What the peer is. */
  against: string;
}

export function printRows(rows: readonly BenchRow[]): void {
  const cells = rows.map(({ name, ours, peer, unit, against }) => [
    name, `${ours.toFixed(1)} ${unit}`, peer === undefined ? 'not installed' : `${peer.toFixed(1)} ${unit}`, against, peer === undefined ? '' : (ours / peer).toFixed(2),
  ]);
  const head = ['measurement', 'ours', 'peer', 'which is', 'ratio'];
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => (row[column] ?? '').length)));
  for (const row of [head, widths.map((width) => '-'.repeat(width)), ...cells]) console.log(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd());
}
