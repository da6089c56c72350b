// A process that does nothing: what starting a job is compared with.
int main() {}
