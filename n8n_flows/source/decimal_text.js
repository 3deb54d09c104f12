// Decimals stay text from the lake to the message: a float would change them.
function trimZeros(text) {
  return text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text;
}

function percentOf(ratio) {
  const negative = ratio.startsWith('-');
  const [whole, fraction = ''] = ratio.replace('-', '').split('.');
  const digits = (whole + fraction.padEnd(2, '0'));
  const point = whole.length + 2;
  const moved = `${digits.slice(0, point)}.${digits.slice(point)}`.replace(/^0+(?=\d)/, '');
  const shown = trimZeros(moved);
  return negative && /[1-9]/.test(shown) ? `-${shown}` : shown;
}

function withSign(text) {
  return text.startsWith('-') || !/[1-9]/.test(text) ? text : `+${text}`;
}

function asTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
