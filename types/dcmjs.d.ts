// The part of dcmjs that we use: its data dictionary (PS3.6), generated from the standard.
declare module 'dcmjs' {
  interface DictionaryEntry {
    /** '(0010,0010)' */
    tag: string;
    /** Two letters, or a choice: 'ox' OB or OW, 'xs' US or SS, 'lt' US or OW, 'up' UL, 'na' none. */
    vr: string;
    vm: string;
    /** Keyword; retired ones have the prefix RETIRED_. */
    name: string;
  }
  const dcmjs: { data: { DicomMetaDictionary: { nameMap: Record<string, DictionaryEntry> } } };
  export default dcmjs;
}
