/** The patient in a file name of Kermany's set (Cell 2018): person12_virus_3.jpeg, NORMAL2-IM-0115-0001.jpeg. */
export function patientOfName(name: string): string | undefined {
  return /(?:IM-\d+|person\d+)/.exec(name)?.[0];
}
