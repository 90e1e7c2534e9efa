/** Of this software, as its packages carry it. */
export const version = '0.1.0';
