// Colours of the overlay. Yellow and white on black differ in lightness, so no kind of colour blindness, and no grey monitor,
// loses them; nothing is said by colour alone.

export const COLOURS = {
  /** Boxes and their labels; also the statement of a finding. */
  finding: '#FFD21F',
  /** Around lines, so that they are seen on white lung and bone too. */
  casing: '#000000',
  band: '#0B0F14',
  rule: '#5A6672',
  text: '#FFFFFF',
  quiet: '#C3CCD5',
  research: '#9ED8FF',
} as const;
