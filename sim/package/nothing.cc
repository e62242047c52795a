// Stands for the libraries of a driver package that must be found under their names and are never
// called here (the PTX compiler, the X configuration library and so on).
extern "C" int tranche_sim_nothing() { return 0; }
