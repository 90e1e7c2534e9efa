export { MemoryLevel as default } from 'memory-level';
